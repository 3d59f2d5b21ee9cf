/**
 * The keys of a site in online mode (design §5): made on this machine at the first start, one file
 * each, used here and nowhere else.
 *
 * Owns: the files in the folder, and every signature made with them. Does not own: what is signed.
 *
 *   K1. A private key leaves this file only as a signature.
 *   K2. A key that was once in use is never replaced by a new one: what devices trust would break
 *       silently. `keyring.json` is written last and lists every key; a listed key that is missing
 *       or another one keeps the site from starting.
 *   K3. Before `keyring.json` is there nothing was signed, so a start that broke off is just
 *       continued.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder, writeFileAtomic } from '@sluice/content'
import { fail } from '@sluice/protocol'
import { z } from 'zod'
import type { Log } from '../log.ts'

/** `release` signs what may run (TUF role targets and its bins). */
export const keyRoles = ['root', 'release', 'snapshot', 'timestamp', 'policy', 'contentToken', 'audit'] as const
export type KeyRole = (typeof keyRoles)[number]

/** An Ed25519 key, used through its signatures only. */
export interface SigningKey {
  /** SHA-256 of the raw public key, in hexadecimal. */
  readonly keyid: string
  /** The 32 raw bytes. */
  readonly publicKey: Uint8Array
  /** Ed25519 over the bytes: 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
}

export type Keyring = Readonly<Record<KeyRole, SigningKey>>

const Listing = z.object({ v: z.literal(1), keys: z.record(z.string(), z.string()) })

/**
 * Opens the keys in `folder`; makes those that no start has made before.
 * @param log says when keys are made, and that this is online mode
 * @throws ProblemError `KEYS_MISSING` when a key that was in use is gone, unreadable or another one
 */
export async function createKeyring(options: { folder: string; log: Log }): Promise<Keyring> {
  const { folder, log } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
  await syncFolder(dirname(folder)) // F2: a new folder is durable with its parent
  const listed = await readListing(join(folder, 'keyring.json'))

  const made: KeyRole[] = []
  const keys: Partial<Record<KeyRole, SigningKey>> = {}
  for (const role of keyRoles) {
    const path = join(folder, `${role}.pem`)
    const expected = listed[role]
    let key = await readKey(path)
    if (key === undefined) {
      if (expected !== undefined) fail('KEYS_MISSING', `${path} is gone.`) // K2
      key = generateKeyPairSync('ed25519').privateKey
      await writeFileAtomic(path, key.export({ type: 'pkcs8', format: 'pem' }))
      made.push(role)
    }
    const signing = signingKey(key)
    if (expected !== undefined && expected !== signing.keyid) fail('KEYS_MISSING', `${path} holds another key.`) // K2
    keys[role] = signing
  }
  const keyring = keys as Keyring
  if (keyRoles.some((role) => listed[role] === undefined)) {
    const document = { v: 1, keys: Object.fromEntries(keyRoles.map((role) => [role, keyring[role].keyid])) }
    await writeFileAtomic(join(folder, 'keyring.json'), `${JSON.stringify(document, null, 2)}\n`)
  }
  if (made.length > 0) log.info('made signing keys', { keys: made, folder })
  log.warn(
    'online mode: the root and release keys are on this machine, and what is imported is released at once; whoever controls this machine decides what devices run',
  )
  return keyring
}

async function readListing(path: string): Promise<Record<string, string>> {
  const text = await readFile(path, 'utf8').catch(absent)
  if (text === undefined) return {} // K3
  try {
    return Listing.parse(JSON.parse(text)).keys
  } catch {
    return fail('KEYS_MISSING', `${path} cannot be read.`)
  }
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  const pem = await readFile(path, 'utf8').catch(absent)
  if (pem === undefined) return undefined
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {} // said below; the cause may quote the key
  return fail('KEYS_MISSING', `${path} is not an Ed25519 private key in PEM.`)
}

function signingKey(key: KeyObject): SigningKey {
  const jwk = createPublicKey(key).export({ format: 'jwk' })
  const publicKey = new Uint8Array(Buffer.from(jwk.x ?? '', 'base64url'))
  return {
    keyid: createHash('sha256').update(publicKey).digest('hex'),
    publicKey,
    sign: (bytes) => new Uint8Array(sign(null, bytes, key)), // K1
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
