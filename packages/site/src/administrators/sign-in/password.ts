/**
 * Passwords, by argon2id (RFC 9106).
 *
 * 1. Parameters stand in the stored text (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`), so that they can rise.
 * 2. Each hashing costs its memory; only a few run at once, a bounded number waits, the rest is
 *    refused with `BUSY`: who floods the page gets nobody else out of memory.
 * 3. An unknown name costs as much time as a known one.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { fail } from '@sluice/protocol'

/** What one hashing costs. */
export interface PasswordCost {
  memory: number
  passes: number
}
/** 64 MiB, twice over: above the least that OWASP names (2024: 19 MiB, twice). */
const COST: PasswordCost = { memory: 65_536, passes: 2 }
const SALT_BYTES = 16
const HASH_BYTES = 32
const RUNNING = 2
const WAITING = 30

const derive = promisify(argon2)

interface Stored extends PasswordCost {
  parallelism: number
  salt: Buffer
  hash: Buffer
}

export interface Passwords {
  /** The text to store. */
  hash(password: string): Promise<string>
  /** @param stored undefined: nobody has this name (3.); @returns `outdated` when it should be hashed anew */
  verify(stored: string | undefined, password: string): Promise<'right' | 'outdated' | 'wrong'>
}

/** @param cost less than the default only where nobody attacks: in tests */
export function createPasswords(cost: PasswordCost = COST): Passwords {
  let running = 0
  const waiting: (() => void)[] = []
  const nobody = encode({ ...cost, parallelism: 1, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) })

  async function hashed(password: string, { memory, passes, parallelism, salt, hash }: Stored): Promise<Buffer> {
    if (running >= RUNNING) {
      if (waiting.length >= WAITING) fail('BUSY', 'Too many sign in at once.', { retryAfterMs: 2_000 }) // 2.
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running += 1
    try {
      const message = password.normalize('NFC')
      return await derive('argon2id', { message, nonce: salt, parallelism, memory, passes, tagLength: hash.length })
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }

  return {
    async hash(password) {
      const wanted = { ...cost, parallelism: 1, salt: randomBytes(SALT_BYTES), hash: Buffer.alloc(HASH_BYTES) }
      return encode({ ...wanted, hash: await hashed(password, wanted) })
    },
    async verify(stored, password) {
      const expected = decode(stored ?? nobody)
      const right = timingSafeEqual(await hashed(password, expected), expected.hash)
      if (!right || stored === undefined) return 'wrong'
      return expected.memory === cost.memory && expected.passes === cost.passes ? 'right' : 'outdated'
    },
  }
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')

const encode = ({ memory, passes, parallelism, salt, hash }: Stored) =>
  `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`

/** 1. */
function decode(text: string): Stored {
  const [, m, t, p, salt, hash] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) throw new Error('a stored password has no known form')
  const bytes = { salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
  return { memory: Number(m), passes: Number(t), parallelism: Number(p), ...bytes }
}
