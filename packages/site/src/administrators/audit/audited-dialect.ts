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
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  DummyDriver,
  Kysely,
  type QueryCompiler,
  type QueryResult,
  type TransactionSettings,
} from 'kysely'
import type { Database } from '../../db/database.ts'
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
  return {
    createAdapter: () => inner.createAdapter(),
    createDriver: () => new AuditedDriver(inner.createDriver(), builder),
    createIntrospector: (db) => inner.createIntrospector(db),
    createQueryCompiler: (): QueryCompiler => inner.createQueryCompiler(),
  }
}

const openChange = (): Change | undefined => {
  const change = presentChange()
  return change?.state === 'open' ? change : undefined
}

class AuditedDriver implements Driver {
  readonly #inner: Driver
  readonly #builder: Kysely<Database>

  constructor(inner: Driver, builder: Kysely<Database>) {
    this.#inner = inner
    this.#builder = builder
  }

  init(): Promise<void> {
    return this.#inner.init()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return new AuditedConnection(await this.#inner.acquireConnection(), this.#inner, this.#builder)
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const audited = own(connection)
    await this.#inner.beginTransaction(audited.inner, settings)
    audited.transaction = { changed: false }
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const audited = own(connection)
    const change = audited.transaction?.changed === true ? openChange() : undefined
    audited.transaction = undefined
    if (change !== undefined) await audited.append(change) // 1.
    await this.#inner.commitTransaction(audited.inner)
    if (change !== undefined) change.state = 'written' // 3.
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const audited = own(connection)
    audited.transaction = undefined
    await this.#inner.rollbackTransaction(audited.inner)
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return this.#inner.releaseConnection(own(connection).inner)
  }

  destroy(): Promise<void> {
    return this.#inner.destroy()
  }
}

function own(connection: DatabaseConnection): AuditedConnection {
  if (connection instanceof AuditedConnection) return connection
  throw new Error('a connection of another driver')
}

class AuditedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection
  readonly #driver: Driver
  readonly #builder: Kysely<Database>
  /** While one is open: whether it changed a row. */
  transaction: { changed: boolean } | undefined

  constructor(inner: DatabaseConnection, driver: Driver, builder: Kysely<Database>) {
    this.inner = inner
    this.#driver = driver
    this.#builder = builder
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const change = mayChange(query) ? openChange() : undefined
    if (change === undefined) return await this.inner.executeQuery<R>(query) // 4.
    if (this.transaction !== undefined) {
      const result = await this.inner.executeQuery<R>(query)
      this.transaction.changed ||= hasChanged(result)
      return result
    }
    await this.#driver.beginTransaction(this.inner, {}) // 2.
    try {
      const result = await this.inner.executeQuery<R>(query)
      const changed = hasChanged(result)
      if (changed) await this.append(change)
      await this.#driver.commitTransaction(this.inner)
      if (changed) change.state = 'written'
      return result
    } catch (error) {
      await this.#driver.rollbackTransaction(this.inner)
      throw error
    }
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.inner.streamQuery<R>(query, chunkSize)
  }

  async append({ act }: Change): Promise<void> {
    const { rows } = await this.inner.executeQuery(takeHead(this.#builder).compile())
    const [head] = rows as Awaited<ReturnType<ReturnType<typeof takeHead>['execute']>>
    if (head === undefined) throw new Error('the head of the audit is gone')
    const line = entryLine(act, head.seq, head.hash)
    await this.inner.executeQuery(insertLine(this.#builder, head.seq, line).compile())
    await this.inner.executeQuery(setHead(this.#builder, lineHash(line)).compile())
  }
}

const CHANGING = new Set(['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode', 'MergeQueryNode'])

/** Raw text may do anything; whether it did is seen by the rows. */
const mayChange = ({ query, sql }: CompiledQuery): boolean =>
  CHANGING.has(query.kind) || (query.kind === 'RawNode' && /^\s*(?:insert|update|delete|merge|with)\b/i.test(sql))

/** With `returning`, SQLite counts no rows but gives them. */
const hasChanged = ({ numAffectedRows, rows }: QueryResult<unknown>): boolean =>
  rows.length > 0 || (numAffectedRows ?? 0n) > 0n
