/**
 * Pages of long lists, by keyset: each begins behind the last row of the one before, so that it costs the same
 * wherever it is and what is added or removed meanwhile moves nothing from one page to another.
 *
 * A cursor is the key of that row. It only says where to go on, and gives nobody more than the list does.
 */
import { fail, type Page } from '@sluice/protocol'
import { z } from 'zod'
import type { Database, Db } from './database.ts'

/** Time, then id: lists whose rows can be of the same time. */
export type TimeKey = readonly [at: number, id: string]
const TimeKey = z.tuple([z.int(), z.string().max(255)])
const IdKey = z.tuple([z.string().max(255)])

/** Key of the last row before the page; undefined for the first. @throws ProblemError `BAD_REQUEST` */
export const timeKeyOf = (cursor: string | undefined): TimeKey | undefined => read(cursor, TimeKey)
/** The same for lists that are in the order of their ids. */
export const idKeyOf = (cursor: string | undefined): string | undefined => read(cursor, IdKey)?.[0]

function read<S extends z.ZodType>(cursor: string | undefined, schema: S): z.output<S> | undefined {
  if (cursor === undefined) return undefined
  try {
    const key = schema.safeParse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')))
    if (key.success) return key.data
  } catch {
    // As below.
  }
  return fail('BAD_REQUEST', 'cursor: it is none of this list.')
}

/**
 * @param rows one more than the page has, if there are as many
 * @param key of a row, in the order of the list
 */
export function pageFrom<Row>(
  rows: readonly Row[],
  limit: number,
  key: (row: Row) => readonly (string | number)[],
): Page<Row> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  if (rows.length <= limit || last === undefined) return { items }
  return { items, next: Buffer.from(JSON.stringify(key(last))).toString('base64url') }
}

/** How many rows a table has. */
export async function countOf(db: Db, table: keyof Database): Promise<number> {
  const { count } = await db
    .selectFrom(table)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}
