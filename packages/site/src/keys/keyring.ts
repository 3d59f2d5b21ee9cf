/**
 * The signing keys of a site (design §5), one file each, used here and nowhere else. In online mode
 * all of them; in offline mode the keys for root and release are elsewhere.
 *
 * Owns: the files in the folder, and every signature made with them. Does not own: what is signed,
 * and which keys devices trust (the catalogue's root says so).
 *
 *   K1. A private key leaves this file only as a signature.
 *   K2. A key that was once in use is never replaced silently: what devices trust would break.
 *       `keyring.json` is written last and lists every key; a listed key that is missing or another one
 *       keeps the site from starting.
 *   K3. Before `keyring.json` is there nothing was signed, so a start that broke off is just
 *       continued.
 *   K4. A new key waits as `<role>.next.pem` until the published root lists it. Then the listing
 *       changes first and the file after it, so that a crash in between is finished at the next start.
 *   K5. A key that the root has given to somebody else is deleted here; the listing says `elsewhere`,
 *       for good, so no start makes another.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder, writeFileAtomic } from '@sluice/content'
import { type CatalogueMode, fail } from '@sluice/protocol'
import { z } from 'zod'
import type { Log } from '../log.ts'

/** `release` signs what may run (TUF role targets and its bins). */
export const keyRoles = ['root', 'release', 'snapshot', 'timestamp', 'policy', 'contentToken', 'audit'] as const
export type KeyRole = (typeof keyRoles)[number]
/** Roles whose keys can be elsewhere. */
export type ReleaseRole = 'root' | 'release'

/** An Ed25519 key, used through its signatures only. */
export interface SigningKey {
  /** SHA-256 of the raw public key, in hexadecimal. */
  readonly keyid: string
  /** The 32 raw bytes. */
  readonly publicKey: Uint8Array
  /** Ed25519 over the bytes: 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
}

/** The keys of now: they change when a root is published that lists others. */
export interface Keyring extends Readonly<Record<Exclude<KeyRole, ReleaseRole>, SigningKey>> {
  /** Undefined where the key is elsewhere. */
  readonly root: SigningKey | undefined
  readonly release: SigningKey | undefined
  /** The key made to take the place of one. */
  next(role: KeyRole): SigningKey | undefined
  /** Makes that key; the one that is there already when there is one (K4). */
  prepare(role: KeyRole): Promise<SigningKey>
  /**
   * Puts to use what the published root lists (K4, K5).
   * @param trusted key ids by role; a role that is not named stays as it is
   * @param mode of the same root: only offline mode has keys elsewhere
   */
  adopt(trusted: Partial<Record<KeyRole, readonly string[]>>, mode: CatalogueMode): Promise<void>
}

const ELSEWHERE = 'elsewhere'
const Listing = z.object({ v: z.literal(1), keys: z.record(z.string(), z.string()) })

/**
 * Opens the keys in `folder`; makes those that no start has made before.
 * @param log says when keys are made
 * @throws ProblemError `KEYS_MISSING` when a key that was in use is gone, unreadable or another one
 */
export async function createKeyring(options: { folder: string; log: Log }): Promise<Keyring> {
  const { folder, log } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
  await syncFolder(dirname(folder)) // F2: a new folder is durable with its parent
  const listed = await readListing(join(folder, 'keyring.json'))
  const pathOf = (role: KeyRole) => join(folder, `${role}.pem`)
  const nextPathOf = (role: KeyRole) => join(folder, `${role}.next.pem`)

  const made: KeyRole[] = []
  const keys = new Map<KeyRole, SigningKey>()
  const nexts = new Map<KeyRole, SigningKey>()
  for (const role of keyRoles) {
    const path = pathOf(role)
    const expected = listed[role]
    if (expected === ELSEWHERE) {
      await remove(path) // K5
      continue
    }
    let key = await readKey(path)
    const next = await readKey(nextPathOf(role))
    if (next !== undefined && expected === signingKey(next).keyid) {
      await move(nextPathOf(role), path) // K4
      key = next
    } else if (next !== undefined) nexts.set(role, signingKey(next))
    if (key === undefined) {
      if (expected !== undefined) fail('KEYS_MISSING', `${path} is gone.`) // K2
      key = newKey()
      await writeFileAtomic(path, key.export({ type: 'pkcs8', format: 'pem' }))
      made.push(role)
    }
    const signing = signingKey(key)
    if (expected !== undefined && expected !== signing.keyid) fail('KEYS_MISSING', `${path} holds another key.`) // K2
    keys.set(role, signing)
  }
  if (keyRoles.some((role) => listed[role] === undefined)) await list()
  if (made.length > 0) log.info('made signing keys', { keys: made, folder })

  async function list(): Promise<void> {
    const document = {
      v: 1,
      keys: Object.fromEntries(keyRoles.map((role) => [role, keys.get(role)?.keyid ?? ELSEWHERE])),
    }
    await writeFileAtomic(join(folder, 'keyring.json'), `${JSON.stringify(document, null, 2)}\n`)
  }

  const present = (role: KeyRole): SigningKey => keys.get(role) ?? fail('KEYS_MISSING', `There is no key ${role} here.`)

  return {
    get root() {
      return keys.get('root')
    },
    get release() {
      return keys.get('release')
    },
    get snapshot() {
      return present('snapshot')
    },
    get timestamp() {
      return present('timestamp')
    },
    get policy() {
      return present('policy')
    },
    get contentToken() {
      return present('contentToken')
    },
    get audit() {
      return present('audit')
    },
    next: (role) => nexts.get(role),
    async prepare(role) {
      const waiting = nexts.get(role)
      if (waiting !== undefined) return waiting
      const key = newKey()
      await writeFileAtomic(nextPathOf(role), key.export({ type: 'pkcs8', format: 'pem' }))
      const signing = signingKey(key)
      nexts.set(role, signing)
      return signing
    },
    async adopt(trusted, mode) {
      for (const role of keyRoles) {
        const ids = trusted[role]
        const key = keys.get(role)
        if (ids === undefined || key === undefined || ids.includes(key.keyid)) continue
        const next = nexts.get(role)
        if (next !== undefined && ids.includes(next.keyid)) {
          keys.set(role, next)
          nexts.delete(role)
          await list() // K4
          await move(nextPathOf(role), pathOf(role))
          log.info('a new signing key is in use', { role, keyid: next.keyid })
        } else if (mode === 'offline' && (role === 'root' || role === 'release')) {
          keys.delete(role)
          await list() // K5
          await remove(pathOf(role))
          log.info('a signing key is elsewhere from now on', { role })
        }
      }
    },
  }
}

const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey

async function move(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncFolder(dirname(to))
}

async function remove(path: string): Promise<void> {
  await rm(path, { force: true })
  await syncFolder(dirname(path))
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

export function signingKey(key: KeyObject): SigningKey {
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
