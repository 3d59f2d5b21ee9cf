/**
 * Seals what the site must be able to read again but nobody may find in its database: secrets of
 * sequences, and what authenticator apps are set up with.
 *
 * Owns: one AES-256 key, in a file among the site's keys, and the form of what it seals. Does not own:
 * what is sealed, and where that lies.
 *
 *   V1. The key leaves this file only as sealed and opened texts.
 *   V2. The database says which key seals. A key that is gone or another one keeps the site from starting:
 *       a new one would silently make everything unreadable.
 *   V3. What is sealed for one purpose opens for no other: rows of a stolen or changed database cannot be
 *       put in each other's place.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeFileAtomic } from '@sluice/content'
import { fail } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** What every sealed text begins with: says that it is one, and its version. */
const MARK = 'sealed:1:'

export interface Vault {
  /** @param purpose what it is and whose, as in `secret/JoinPassword` */
  seal(purpose: string, text: string): string
  /** @throws ProblemError `KEYS_MISSING` when it was not sealed for this purpose by this key */
  open(purpose: string, sealed: string): string
}

export const isSealed = (text: string): boolean => text.startsWith(MARK)

/** Opens the key in `file`; the first time, makes it. @throws ProblemError `KEYS_MISSING` */
export async function openVault(options: { file: string; db: Kysely<Database>; log: Log }): Promise<Vault> {
  const { file, db, log } = options
  const row = await db.selectFrom('vault').select('key_id').executeTakeFirst()
  let key = await readKey(file)
  if (key === undefined) {
    if (row !== undefined) fail('KEYS_MISSING', `${file} is gone.`) // V2
    key = randomBytes(KEY_BYTES)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFileAtomic(file, `${key.toString('base64')}\n`)
    log.info('made the key that seals secrets', { file })
  }
  const keyId = createHash('sha256').update('sluice vault key id').update(key).digest('hex')
  if (row === undefined)
    await db
      .insertInto('vault')
      .values({ id: 1, key_id: keyId })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  const listed = await db.selectFrom('vault').select('key_id').executeTakeFirstOrThrow()
  if (listed.key_id !== keyId) fail('KEYS_MISSING', `${file} holds another key.`) // V2
  return createVault(key)
}

/** @param key 32 bytes */
export function createVault(key: Uint8Array): Vault {
  return {
    seal(purpose, text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose)) // V3
      const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return MARK + bytes.toString('base64')
    },
    open(purpose, sealed) {
      try {
        const bytes = Buffer.from(sealed.slice(MARK.length), 'base64')
        if (!isSealed(sealed) || bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('not a sealed text')
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
          .setAAD(Buffer.from(purpose))
          .setAuthTag(bytes.subarray(-TAG_BYTES))
        return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      } catch {
        return fail('KEYS_MISSING', `What is kept for ${purpose} was not sealed with the key of this site.`)
      }
    },
  }
}

async function readKey(file: string): Promise<Buffer | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const key = Buffer.from(text.trim(), 'base64')
  return key.length === KEY_BYTES ? key : fail('KEYS_MISSING', `${file} does not hold a key of ${KEY_BYTES} bytes.`)
}
