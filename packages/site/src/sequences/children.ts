/**
 * Which revisions of other sequences a revision was joined from. Owns the record of it and what follows: what has
 * changed since, and in which order sequences are joined again. How steps are put in is the engine's
 * (`withChildren`); that it makes a new revision is sequences.ts's.
 *
 *   C1. The record names all that went in, also through children: a child's own record goes into that of
 *       whatever runs it. A sequence that came in twice counts with the older of its revisions.
 *   C2. Children are joined as they stand in the site. So a child with an outdated record is joined again before
 *       whatever runs it.
 */
import { childrenOf, readSequence, withChildren } from '@sluice/engine'
import { ProblemError, type Sequence, type SequenceChild, SequenceId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Database, Db } from '../db/database.ts'

const Children = z.array(z.object({ id: SequenceId, revision: z.int().positive() }))
export type ChildRevision = z.output<typeof Children>[number]

const read = (text: string | null): ChildRevision[] => (text === null ? [] : Children.parse(JSON.parse(text)))

/** The newest revision of each sequence, for what is asked of its children. */
const newest = (db: Db) =>
  db
    .selectFrom('sequences')
    .innerJoin('sequence_revisions as newest', (join) =>
      join.onRef('newest.sequence_id', '=', 'sequences.id').onRef('newest.revision', '=', 'sequences.revision'),
    )

/**
 * The sequence with the steps of those that it runs, as they are now.
 * @throws ProblemError `SEQUENCE_REFERENCE_MISSING`, `SEQUENCE_INVALID`
 */
export async function joinChildren(
  db: Kysely<Database>,
  applied: Sequence,
): Promise<{ whole: Sequence; children: ChildRevision[] }> {
  const wanted = childrenOf(applied)
  if (wanted.length === 0) return { whole: applied, children: [] }
  const rows = await newest(db)
    .select(['sequences.id', 'sequences.name', 'newest.revision', 'newest.document', 'newest.children'])
    .where((eb) => eb.or([eb('sequences.id', 'in', wanted), eb('sequences.name', '=', applied.name)]))
    .execute()
  const children = new Map(rows.map(({ id, document }) => [id, document]))
  const whole = withChildren(applied, rows.find(({ name }) => name === applied.name)?.id, (id) => {
    const document = children.get(id)
    const child = document === undefined ? undefined : readSequence(new TextEncoder().encode(document))
    return child?.ok === true ? child.value : undefined
  })
  if (!whole.ok) throw new ProblemError(whole.problem)
  const went = new Map<SequenceId, number>()
  for (const row of rows.filter(({ id }) => wanted.includes(id)))
    for (const { id, revision } of [{ id: row.id, revision: row.revision }, ...read(row.children)]) // C1
      went.set(id, Math.min(revision, went.get(id) ?? revision))
  return { whole: whole.value, children: [...went].map(([id, revision]) => ({ id, revision })) }
}

/** For each record of children: what they are called, and their newest revisions. */
export async function childrenNow(db: Db, records: readonly (string | null)[]): Promise<SequenceChild[][]> {
  if (records.every((record) => record === null)) return records.map(() => [])
  const rows = await db.selectFrom('sequences').selectAll().execute()
  const known = new Map(rows.map((row) => [row.id, row]))
  return records.map((record) =>
    read(record).map(({ id, revision }) => {
      const now = known.get(id)
      return { id, revision, name: now?.name ?? id, newest: now?.revision ?? revision }
    }),
  )
}

export const isOutdated = (children: readonly SequenceChild[]): boolean =>
  children.some(({ revision, newest }) => newest > revision)

/**
 * What is to be looked at when a sequence shall be made of the newest of its children, or all that run it shall:
 * each one behind those that it runs itself (C2).
 */
export async function refreshOrder(db: Db, of: SequenceId, what: 'sequence' | 'parents'): Promise<SequenceId[]> {
  const rows = await newest(db)
    .select(['sequences.id', 'newest.children'])
    .where((eb) =>
      // Of those that were joined before records were kept, the document itself says what it runs.
      eb.or([eb('newest.children', 'is not', null), eb('newest.document', 'like', `%"sequence":"${of}"%`)]),
    )
    .orderBy('sequences.name')
    .execute()
  const records = new Map(rows.map(({ id, children }) => [id, children === null ? [{ id: of }] : read(children)]))
  const order = new Set<SequenceId>()
  const seen = new Set<SequenceId>()
  const visit = (id: SequenceId): void => {
    if (seen.has(id)) return
    seen.add(id)
    for (const child of records.get(id) ?? []) visit(child.id)
    order.add(id)
  }
  if (what === 'sequence') visit(of)
  else for (const [id, children] of records) if (id !== of && children.some((child) => child.id === of)) visit(id)
  return [...order]
}
