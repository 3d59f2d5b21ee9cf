/**
 * Kysely driver for `node:sqlite`, which blocks: the database lives in a worker thread of its own.
 *
 * Owns the worker, the order of statements, and who has the one connection: one caller at a time, a
 * transaction for its whole length. So a transaction is exclusive, and code inside one must use the
 * transaction, never the database: it would wait for itself.
 *
 * 1. Statements are answered in the order they were sent; the worker does one at a time.
 * 2. When the worker dies, everything that waits and everything that comes later fails.
 * 3. `destroy` returns when the file is closed and the thread has ended.
 * 4. Who asked first gets the connection first. (Kysely has a lock of its own for databases with one
 *    connection, which wakes every waiter each time: with thousands of them that is most of the work.)
 */
import { Worker } from 'node:worker_threads'
import { CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely'
import { SqliteError } from './error.ts'
import { movedWith, type Parcel, packed, unpacked } from './parcel.ts'

export type WorkerRequest =
  | { kind: 'query'; sql: string; parameters: Parcel }
  | { kind: 'rollback' }
  | { kind: 'close' }

export type WorkerAnswer =
  /** The rows one after the other, each a cell a column. */
  | { kind: 'rows'; columns: string[]; cells: Parcel; changes?: number | bigint; insertId?: number | bigint }
  | { kind: 'error'; message: string; errcode: number | undefined }

interface Waiting {
  resolve(answer: WorkerAnswer): void
  reject(cause: Error): void
}

export class SqliteWorkerDriver implements Driver {
  readonly #path: string
  #connection: SqliteConnection | undefined
  #lent = false
  readonly #queue: (() => void)[] = []

  constructor(path: string) {
    this.#path = path
  }

  async init(): Promise<void> {
    const connection = new SqliteConnection(this.#path)
    await connection.query('select 1', []) // an unreadable file is found here, not at the first real statement
    this.#connection = connection
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#connection === undefined) throw new Error('the database is not open')
    if (this.#lent) await new Promise<void>((resolve) => this.#queue.push(resolve)) // 4.
    this.#lent = true
    return this.#connection
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    // Immediate: a transaction that reads first and writes later must not find somebody in between.
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'))
  }

  async rollbackTransaction(): Promise<void> {
    await this.#connection?.rollback()
  }

  async releaseConnection(): Promise<void> {
    const next = this.#queue.shift()
    if (next === undefined) this.#lent = false
    else next() // it stays lent, to the next
  }

  async destroy(): Promise<void> {
    await this.#connection?.close()
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  readonly #ended: Promise<void>
  #dead: Error | undefined

  constructor(path: string) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { path } })
    this.#worker.on('message', (answer: WorkerAnswer) => this.#waiting.shift()?.resolve(answer))
    this.#worker.on('error', (cause) => this.#die(cause instanceof Error ? cause : new Error(String(cause))))
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#die(new Error('the thread of the database has ended'))
        resolve()
      })
    })
  }

  #die(cause: Error): void {
    this.#dead ??= cause
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#dead) // 2.
  }

  async #ask(request: WorkerRequest): Promise<WorkerAnswer & { kind: 'rows' }> {
    if (this.#dead !== undefined) throw this.#dead
    const answer = await new Promise<WorkerAnswer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject }) // 1.
      try {
        this.#worker.postMessage(request, request.kind === 'query' ? movedWith(request.parameters) : [])
      } catch (cause) {
        this.#waiting.pop() // a parameter that cannot be cloned: nothing was sent
        reject(cause)
      }
    })
    if (answer.kind === 'error') throw new SqliteError(answer.message, answer.errcode)
    return answer
  }

  query(sql: string, parameters: readonly unknown[]): Promise<WorkerAnswer & { kind: 'rows' }> {
    return this.#ask({ kind: 'query', sql, parameters: packed(parameters) })
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const answer = await this.query(query.sql, query.parameters)
    return {
      rows: rowsOf(answer) as R[],
      ...(answer.changes === undefined ? {} : { numAffectedRows: BigInt(answer.changes) }),
      ...(answer.insertId === undefined ? {} : { insertId: BigInt(answer.insertId) }),
    }
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    yield* [] as QueryResult<R>[]
    throw new Error('this database does not stream: read in pages')
  }

  async rollback(): Promise<void> {
    await this.#ask({ kind: 'rollback' })
  }

  async close(): Promise<void> {
    if (this.#dead === undefined) this.#worker.postMessage({ kind: 'close' } satisfies WorkerRequest)
    await this.#ended // 3.
  }
}

function rowsOf({ columns, cells }: WorkerAnswer & { kind: 'rows' }): Record<string, unknown>[] {
  if (columns.length === 0) return []
  const values = unpacked(cells)
  const rows: Record<string, unknown>[] = []
  for (let at = 0; at < values.length; at += columns.length) {
    const row: Record<string, unknown> = {}
    for (const [i, column] of columns.entries()) row[column] = values[at + i]
    rows.push(row)
  }
  return rows
}
