/** Numbers that rise in the order in which their rows become visible. */
import type { Transaction } from 'kysely'
import type { Database } from './database.ts'

/**
 * Takes `count` numbers and returns the first. The counter's row stays locked until the transaction
 * ends, so a reader that saw a number has seen all smaller ones: a plain sequence of the database
 * would let a later transaction commit first, and whoever reads "everything after n" would miss rows.
 */
export async function nextNumbers(trx: Transaction<Database>, name: string, count: number): Promise<number> {
  const row = await trx
    .insertInto('counters')
    .values({ name, value: count })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((eb) => ({ value: eb('counters.value', '+', count) })),
    )
    .returning('value')
    .executeTakeFirstOrThrow()
  return row.value - count + 1
}
