/**
 * A dialect of Kysely that writes the audit. Every statement of the site goes through here, so this
 * is the one place where *no change of an administrator without its entry* can be kept.
 *
 * 1. A transaction that changed a row for a `Change` gets the entry as its last statements: both are
 *    durable, or neither.
 * 2. A changing statement outside a transaction gets one, for the same.
 * 3. A change is written once, whatever it does afterwards; a transaction that is rolled back has
 *    written nothing.
 * 4. Without a `Change` (devices, jobs, the site itself) nothing is added.
 */
import { type CompiledQuery, type DatabaseConnection, type Dialect, DummyDriver, Kysely } from 'kysely'
import type { Database } from '../../db/database.ts'
import { isChangingText, watchedDialect } from '../../db/watched-dialect.ts'
import { entryLine, insertLine, lineHash, setHead, takeHead } from './chain.ts'
import { type Change, presentChange } from './change.ts'

export function auditedDialect(inner: Dialect): Dialect {
  // Builds statements only; they run on the connection of the change.
  const builder = new Kysely<Database>({
    dialect: {
      createAdapter: () => inner.createAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => inner.createIntrospector(db),
      createQueryCompiler: () => inner.createQueryCompiler(),
    },
  })

  async function append(connection: DatabaseConnection, { act }: Change): Promise<void> {
    const { rows } = await connection.executeQuery(takeHead(builder).compile())
    const [head] = rows as Awaited<ReturnType<ReturnType<typeof takeHead>['execute']>>
    if (head === undefined) throw new Error('the head of the audit is gone')
    const line = entryLine(act, head.seq, head.hash)
    await connection.executeQuery(insertLine(builder, head.seq, line).compile())
    await connection.executeQuery(setHead(builder, lineHash(line)).compile())
  }

  return watchedDialect(inner, {
    concerns: (query) => mayChange(query) && openChange() !== undefined, // 4.
    async beforeCommit(connection) {
      const change = openChange()
      if (change === undefined) return undefined
      await append(connection, change) // 1. and 2.
      return () => {
        change.state = 'written' // 3.
      }
    },
  })
}

const openChange = (): Change | undefined => {
  const change = presentChange()
  return change?.state === 'open' ? change : undefined
}

const CHANGING = new Set(['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode', 'MergeQueryNode'])

const mayChange = (query: CompiledQuery): boolean => CHANGING.has(query.query.kind) || isChangingText(query)
