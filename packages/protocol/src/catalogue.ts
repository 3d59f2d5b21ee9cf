/**
 * The catalogue as site and workstation see it (TUF 1.0): which roles there are, how long their
 * signatures are good for, and what the two say to each other when the keys are not on the site.
 */
import { z } from 'zod'
import { type AdminRoute, plain } from './admin/route.ts'
import { CatalogueMode, PolicyKey } from './dsse.ts'
import { Sha256, SiteId } from './ids.ts'

const HOUR = 3600_000
const DAY = 24 * HOUR

/**
 * Targets are spread over 16 bins by the first digit of the SHA-256 of their names, so that a device
 * fetches the lists that it needs and not the whole catalogue. All bins have one delegator and no
 * delegations of their own (SEC-41). The number is fixed: changing it would move every target.
 */
export const catalogueBins = [...'0123456789abcdef'].map((digit) => ({ role: `bin-${digit}`, prefix: digit }))

export type CatalogueLife = 'root' | 'targets' | 'snapshot' | 'timestamp'

/** Life of a signature, and how much of it is left when it is renewed, in milliseconds (security-reliability §3.2). */
export const catalogueLives: Record<CatalogueLife, { lifeMs: number; renewMs: number }> = {
  root: { lifeMs: 365 * DAY, renewMs: 90 * DAY },
  /** The bins too. */
  targets: { lifeMs: 90 * DAY, renewMs: 30 * DAY },
  snapshot: { lifeMs: 7 * DAY, renewMs: 4 * DAY },
  timestamp: { lifeMs: 24 * HOUR, renewMs: 23 * HOUR },
}

/** Days before its end at which an expiry is told, the nearest first. */
export const EXPIRY_WARNING_DAYS = [3, 14, 30] as const

/** Keys that sign for devices. In offline mode `root` and `release` are not on the site. */
export const SigningRole = z.enum(['root', 'release', 'snapshot', 'timestamp', 'policy'])
export type SigningRole = z.infer<typeof SigningRole>

const Time = z.iso.datetime()

/** A signed TUF document, byte for byte, as text. */
const SignedText = z.string().max(5_000_000)

export const CatalogueSignature = z.object({
  role: z.enum(['root', 'targets', 'snapshot', 'timestamp']),
  version: z.int().positive(),
  /** Of the bins, the first to expire counts under `targets`. */
  expiresAt: Time,
  /** 30, 14 or 3 days, once no more than that is left and nothing on the site will renew it. */
  warningDays: z.int().optional(),
})
export type CatalogueSignature = z.infer<typeof CatalogueSignature>

export const CatalogueInfo = z.object({
  siteId: SiteId,
  mode: CatalogueMode,
  signatures: z.array(CatalogueSignature),
  keys: z.array(
    z.object({
      role: SigningRole,
      keyid: Sha256,
      onSite: z.boolean(),
      /** A key that the site made to take this one's place, once the root lists it. */
      next: PolicyKey.optional(),
    }),
  ),
  /** How many root keys must sign the next root. */
  rootThreshold: z.int().positive().default(1),
  /** How many drafts wait for the release key. */
  waiting: z.int().nonnegative(),
})
export type CatalogueInfo = z.infer<typeof CatalogueInfo>

/** `draft`: still being made. `waitingForRelease`: whole, but no release key has signed it. */
export const ReleaseState = z.enum(['draft', 'waitingForRelease', 'released'])
export type ReleaseState = z.infer<typeof ReleaseState>

export const ReleaseEntry = z.object({
  /** As in `manifest/ABC00001/2` or `sequence/seq_…/3`. */
  name: z.string().max(200),
  /** What people call it. */
  title: z.string(),
  sha256: Sha256,
  lengthBytes: z.int().positive(),
  state: z.enum(['waitingForRelease', 'released']),
  since: Time,
})
export type ReleaseEntry = z.infer<typeof ReleaseEntry>

/** Metadata signed on a workstation; the site verifies it as a device does and publishes all or nothing. */
export const CataloguePublication = z.strictObject({
  root: z.string().max(512_000).optional(),
  targets: SignedText.optional(),
  /** By role, as in `bin-7`. */
  bins: z.record(z.string().regex(/^bin-[0-9a-f]$/), SignedText).default({}),
})
export type CataloguePublication = z.infer<typeof CataloguePublication>

/** The routes of the admin API for keys and releases. */
export const catalogueRoutes = {
  catalogue: { method: 'GET', path: '/admin/v1/catalogue', ...plain, answer: CatalogueInfo },
  /** Published metadata by its file name, as in `3.root.json`; `bin-7.json` is the newest of its role. */
  catalogueFile: {
    method: 'GET',
    path: '/admin/v1/catalogue/files/:id',
    ...plain,
    answer: z.object({ text: SignedText }),
  },
  releases: { method: 'GET', path: '/admin/v1/releases', ...plain, answer: z.array(ReleaseEntry) },
  /** The bytes of a target by their SHA-256. */
  releaseBytes: {
    method: 'GET',
    path: '/admin/v1/releases/:id',
    ...plain,
    answer: z.object({ base64: z.base64().max(12 * 1024 * 1024) }),
  },
  publishCatalogue: {
    method: 'POST',
    path: '/admin/v1/catalogue/publication',
    maxBodyBytes: 96 * 1024 * 1024,
    body: CataloguePublication,
    answer: CatalogueInfo,
  },
  /**
   * A new key for a role. In online mode it takes the old one's place at once; in offline mode the site
   * makes it (`next`), and a root that lists it puts it to use. `root` and `release` are the workstation's then.
   */
  rotateKey: {
    method: 'POST',
    path: '/admin/v1/catalogue/keys/:id/rotate',
    ...plain,
    body: z.object({}),
    answer: CatalogueInfo,
  },
} as const satisfies Record<string, AdminRoute>
