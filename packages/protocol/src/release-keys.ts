/** Files of the workstation that has the keys for root and releases (offline mode). */
import { z } from 'zod'
import { SiteId } from './ids.ts'

export const OfflineRole = z.enum(['root', 'release'])
export type OfflineRole = z.infer<typeof OfflineRole>

const Base64 = z.base64().max(4096)

/** A signing key under a passphrase. A file is not trusted before it is open: its cost is bounded. */
export const ReleaseKeyFile = z.strictObject({
  format: z.literal('sluice-key/1'),
  role: OfflineRole,
  keyid: z.string().regex(/^[0-9a-f]{64}$/),
  /** Raw Ed25519 public key. */
  publicKey: Base64,
  createdAt: z.iso.datetime(),
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    N: z
      .int()
      .min(2)
      .max(2 ** 20),
    r: z.int().min(1).max(16),
    p: z.int().min(1).max(4),
    salt: Base64,
  }),
  cipher: z.strictObject({ name: z.literal('aes-256-gcm'), nonce: Base64 }),
  /** PKCS#8 in DER, sealed with everything else in the file as additional data; the last 16 bytes are the tag. */
  sealed: Base64,
})
export type ReleaseKeyFile = z.infer<typeof ReleaseKeyFile>

/** Most root keys that a root may ask for. */
export const MAX_ROOT_KEYS = 9

/** Root keys of several holders, beside them on the workstation: public halves, in the order of their names. */
export const RootKeysFile = z
  .strictObject({
    format: z.literal('sluice-root-keys/1'),
    threshold: z.int().min(1).max(MAX_ROOT_KEYS),
    keys: z
      .array(z.strictObject({ keyid: z.string().regex(/^[0-9a-f]{64}$/), publicKey: Base64 }))
      .min(1)
      .max(MAX_ROOT_KEYS),
  })
  .refine(({ threshold, keys }) => threshold <= keys.length, 'more must sign than there are')
export type RootKeysFile = z.infer<typeof RootKeysFile>

/** Which site the keys of a folder are for. */
export const ReleaseKeysSite = z.object({ format: z.literal('sluice-release-keys/1'), siteId: SiteId })

/** A new root on its way from one holder of a root key to the next. Nothing in it is secret, and nothing is trusted. */
export const RootCeremonyFile = z.strictObject({
  format: z.literal('sluice-root-ceremony/1'),
  /** What the new root is made for; `replaces`: of several root keys the name of the one that goes. */
  what: z.strictObject({
    role: z.enum(['root', 'release', 'snapshot', 'timestamp', 'policy']),
    replaces: z.string().max(20).optional(),
  }),
  /** After this nobody signs it and nobody puts it together. */
  expiresAt: z.iso.datetime(),
  /** The root that it follows, as published. */
  before: z.string().max(256 * 1024),
  /** The new root, with the signatures so far. */
  next: z.string().max(256 * 1024),
})
export type RootCeremonyFile = z.infer<typeof RootCeremonyFile>
