/** Appends to the chain: one row holds its head, and its lock makes one chain of all writers. */
import { createHash } from 'node:crypto'
import { type AuditEntry, Sha256 } from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Act } from './change.ts'

type Builder = Kysely<Database> | Transaction<Database>

export const lineHash = (line: string): Sha256 => Sha256.parse(createHash('sha256').update(line, 'utf8').digest('hex'))

/** The line that stands at `seq` after `previous`. */
export function entryLine(act: Act, seq: number, previous: Sha256): string {
  const { at, actor, from, action, subject, outcome, before, after } = act
  const entry: AuditEntry = { v: 1, seq, previous, at, actor, from, action, subject, outcome, before, after }
  return JSON.stringify(entry)
}

// The statements of an appending, for those who run them by themselves (`audited-dialect.ts`).
export const takeHead = (db: Builder) =>
  db
    .updateTable('audit_head')
    .set((eb) => ({ seq: eb('seq', '+', 1) }))
    .where('key', '=', 1)
    .returning(['seq', 'hash'])
export const insertLine = (db: Builder, seq: number, line: string) =>
  db.insertInto('audit_entries').values({ seq, line })
export const setHead = (db: Builder, hash: Sha256) => db.updateTable('audit_head').set({ hash }).where('key', '=', 1)

/** Writes an entry in the transaction of what it tells. Do it last: every other writer waits for this transaction. */
export async function appendEntry(trx: Transaction<Database>, act: Act): Promise<void> {
  const { seq, hash } = await takeHead(trx).executeTakeFirstOrThrow()
  const line = entryLine(act, seq, hash)
  await insertLine(trx, seq, line).execute()
  await setHead(trx, lineHash(line)).execute()
}
