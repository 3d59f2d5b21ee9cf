/**
 * A dialect of Kysely that adds statements to changes. Every statement of the site goes through it, so
 * this is the one place where *no change without …* can be kept, for the audit as for the count of facts.
 *
 * 1. A transaction that changed a row which the watch concerns gets the watch's statements as its last:
 *    both are durable, or neither.
 * 2. Such a statement outside of a transaction gets one, for the same.
 */
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult, TransactionSettings } from 'kysely'

export interface Watch {
  /** Whether the statement counts if it changes a row. */
  concerns(query: CompiledQuery): boolean
  /** The last statements of a transaction in which one counted. Returns what is to be done once it is durable. */
  beforeCommit(connection: DatabaseConnection): Promise<(() => void) | undefined>
}

export function watchedDialect(inner: Dialect, watch: Watch): Dialect {
  return {
    createAdapter: () => inner.createAdapter(),
    createDriver: () => new WatchedDriver(inner.createDriver(), watch),
    createIntrospector: (db) => inner.createIntrospector(db),
    createQueryCompiler: () => inner.createQueryCompiler(),
  }
}

/** Raw text may do anything; whether it did is seen by the rows. */
export const isChangingText = ({ query, sql }: Pick<CompiledQuery, 'query' | 'sql'>): boolean =>
  query.kind === 'RawNode' && /^\s*(?:insert|update|delete|merge|with)\b/i.test(sql)

class WatchedDriver implements Driver {
  readonly #inner: Driver
  readonly #watch: Watch

  constructor(inner: Driver, watch: Watch) {
    this.#inner = inner
    this.#watch = watch
  }

  init(): Promise<void> {
    return this.#inner.init()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return new WatchedConnection(await this.#inner.acquireConnection(), this.#inner, this.#watch)
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const own = ownOf(connection)
    await this.#inner.beginTransaction(own.inner, settings)
    own.transaction = { changed: false }
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const own = ownOf(connection)
    const changed = own.transaction?.changed === true
    own.transaction = undefined
    const durable = changed ? await this.#watch.beforeCommit(own.inner) : undefined // 1.
    await this.#inner.commitTransaction(own.inner)
    durable?.()
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const own = ownOf(connection)
    own.transaction = undefined
    await this.#inner.rollbackTransaction(own.inner)
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return this.#inner.releaseConnection(ownOf(connection).inner)
  }

  destroy(): Promise<void> {
    return this.#inner.destroy()
  }
}

function ownOf(connection: DatabaseConnection): WatchedConnection {
  if (connection instanceof WatchedConnection) return connection
  throw new Error('a connection of another driver')
}

class WatchedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection
  readonly #driver: Driver
  readonly #watch: Watch
  /** While one is open: whether a statement counted. */
  transaction: { changed: boolean } | undefined

  constructor(inner: DatabaseConnection, driver: Driver, watch: Watch) {
    this.inner = inner
    this.#driver = driver
    this.#watch = watch
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (!this.#watch.concerns(query)) return await this.inner.executeQuery<R>(query)
    if (this.transaction !== undefined) {
      const result = await this.inner.executeQuery<R>(query)
      this.transaction.changed ||= hasChanged(result)
      return result
    }
    await this.#driver.beginTransaction(this.inner, {}) // 2.
    try {
      const result = await this.inner.executeQuery<R>(query)
      const durable = hasChanged(result) ? await this.#watch.beforeCommit(this.inner) : undefined
      await this.#driver.commitTransaction(this.inner)
      durable?.()
      return result
    } catch (error) {
      await this.#driver.rollbackTransaction(this.inner)
      throw error
    }
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.inner.streamQuery<R>(query, chunkSize)
  }
}

/** With `returning`, SQLite counts no rows but gives them. */
const hasChanged = ({ numAffectedRows, rows }: QueryResult<unknown>): boolean =>
  rows.length > 0 || (numAffectedRows ?? 0n) > 0n
