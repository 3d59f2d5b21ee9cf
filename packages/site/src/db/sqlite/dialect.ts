/** Kysely dialect for `node:sqlite` in a worker thread. */
import {
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { SqliteWorkerDriver } from './driver.ts'

export class SqliteWorkerDialect implements Dialect {
  readonly #path: string

  /** @param path of the database file; it is created when it is not there */
  constructor(path: string) {
    this.#path = path
  }

  createDriver(): Driver {
    return new SqliteWorkerDriver(this.#path)
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler()
  }

  createAdapter(): DialectAdapter {
    return new LendingAdapter()
  }

  // biome-ignore lint/suspicious/noExplicitAny: the type that Kysely asks for
  createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return new SqliteIntrospector(db)
  }
}

/** The driver lends its connection by itself; Kysely shall not lock once more. */
class LendingAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}
