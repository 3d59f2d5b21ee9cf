/** The thread that owns one SQLite file. Speaks `WorkerRequest` and `WorkerAnswer` of `driver.ts`. */
import { closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerAnswer, WorkerRequest } from './driver.ts'
import { movedWith, packed, unpacked } from './parcel.ts'

const BUSY_TIMEOUT_MS = 5_000
const STATEMENTS_KEPT = 256

const port = parentPort
if (port === null) throw new Error('this file runs as a worker thread')
const { path } = workerData as { path: string }

closeSync(openSync(path, 'a', 0o600)) // the log and the shared memory file take the mode of the file
const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
// FULL: with NORMAL a power cut loses commits that were acknowledged (security-reliability.md §0).
db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma trusted_schema = off')

const statements = new Map<string, StatementSync>()

/** A prepared statement, the least recently used ones forgotten. */
function prepared(sql: string): StatementSync {
  const known = statements.get(sql)
  const statement = known ?? db.prepare(sql)
  statements.delete(sql)
  statements.set(sql, statement)
  for (const oldest of statements.keys()) {
    if (statements.size <= STATEMENTS_KEPT) break
    statements.delete(oldest)
  }
  return statement
}

function answer(request: Exclude<WorkerRequest, { kind: 'close' }>): WorkerAnswer {
  if (request.kind === 'rollback') {
    // Some failures (a full disk) have rolled back already.
    if (db.isTransaction) db.exec('rollback')
    return { kind: 'rows', columns: [], cells: packed([]) }
  }
  const statement = prepared(request.sql)
  const parameters = unpacked(request.parameters) as SQLInputValue[]
  if (statement.columns().length > 0) {
    const rows = statement.all(...parameters)
    // Of the rows themselves: what a `*` stands for may have changed since it was prepared.
    const columns = Object.keys(rows[0] ?? {})
    const cells = packed(rows.flatMap((row) => Object.values(row)))
    return { kind: 'rows', columns, cells, changes: rows.length }
  }
  const { changes, lastInsertRowid } = statement.run(...parameters)
  return { kind: 'rows', columns: [], cells: packed([]), changes, insertId: lastInsertRowid }
}

port.on('message', (request: WorkerRequest) => {
  if (request.kind === 'close') {
    db.close()
    port.close()
    return
  }
  try {
    const given = answer(request)
    port.postMessage(given, given.kind === 'rows' ? movedWith(given.cells) : [])
  } catch (error) {
    const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : undefined
    const message = error instanceof Error ? error.message : String(error)
    port.postMessage({ kind: 'error', message, errcode } satisfies WorkerAnswer)
  }
})
