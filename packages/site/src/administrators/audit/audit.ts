/** The audit as others use it: entries outside a change, pages of it, and its signed head. */
import {
  AUDIT_HEAD_TYPE,
  type AuditHead,
  type Envelope,
  preAuthEncoding,
  type SiteId,
  writeSignedJson,
} from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import { type Clock, timestamp } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { SigningKey } from '../../keys/keyring.ts'
import type { Log } from '../../log.ts'
import { appendEntry } from './chain.ts'
import { type Act, withoutChange } from './change.ts'

/** Lines of a page: together below 40 MB. */
const PAGE = 1_000
const HEAD_INTERVAL_MS = 24 * 3600_000

export type Record = Omit<Act, 'at'>

export interface Audit {
  /** Writes an entry of its own. */
  record(entry: Record): Promise<void>
  /** Writes an entry in the transaction of what it tells, as its last statement: a reveal, a sign-in. */
  recordIn(trx: Transaction<Database>, entry: Record): Promise<void>
  /** So many lines with a larger number, at most and without saying 1,000. */
  lines(after: number, limit?: number): Promise<string[]>
  /** Where the chain ends now, signed. */
  head(): Promise<Envelope>
  /** Says the head in the log, now and once a day: logs are kept elsewhere, where nobody of here can change them. */
  logHeads(): Disposable
}

export function createAudit(options: {
  db: Kysely<Database>
  clock: Clock
  key: SigningKey
  siteId: SiteId
  log: Log
}): Audit {
  const { db, clock, key, siteId, log } = options

  const recordIn = (trx: Transaction<Database>, entry: Record) =>
    appendEntry(trx, { ...entry, at: timestamp(clock.now()) })

  async function head(): Promise<Envelope> {
    const { seq, hash } = await db.selectFrom('audit_head').selectAll().executeTakeFirstOrThrow()
    const at = timestamp(clock.now())
    const publicKey = Buffer.from(key.publicKey).toString('base64')
    const payload = writeSignedJson({ v: 1, siteId, seq, hash, at, publicKey } satisfies AuditHead)
    const sig = Buffer.from(key.sign(preAuthEncoding(AUDIT_HEAD_TYPE, payload))).toString('base64')
    return {
      payloadType: AUDIT_HEAD_TYPE,
      payload: Buffer.from(payload).toString('base64'),
      signatures: [{ keyid: key.keyid, sig }],
    }
  }

  return {
    recordIn,
    record: (entry) => withoutChange(() => db.transaction().execute((trx) => recordIn(trx, entry))),

    async lines(after, limit = PAGE) {
      const rows = await db
        .selectFrom('audit_entries')
        .select('line')
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(limit)
        .execute()
      return rows.map((row) => row.line)
    },

    head,
    logHeads() {
      const say = () =>
        head().then(
          (envelope) => log.info('head of the audit', { head: JSON.stringify(envelope) }),
          (error: unknown) => log.warn('the head of the audit could not be signed', { error }),
        )
      void say()
      const timer = setInterval(() => void say(), HEAD_INTERVAL_MS)
      timer.unref()
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
  }
}
