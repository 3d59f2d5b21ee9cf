/**
 * The file of one attempt: what one runner does, whether it lives, and how it ended. Agent and
 * runner share nothing else.
 *
 * Owns: the SQLite file, its lock, its one row. Does not own: the processes (`runners.ts`), what an
 * action does (`perform.ts`), what an outcome means (the engine).
 *
 *   A1. Intent before action: the row with the action is durable before a runner is started.
 *   A2. A runner claims the file: it takes the exclusive lock, writes who it is, and keeps the lock
 *       (`locking_mode = EXCLUSIVE`) until it ends. The operating system frees the lock with the
 *       process, so *busy* means *alive*, and nothing else does.
 *   A3. Only the first claim counts. A runner that finds a runner, or an outcome, does nothing. So
 *       starting a runner again is safe as long as nobody claimed the file.
 *   A4. The outcome is written once: by the runner at its end, in the transaction that gives up the
 *       lock; or by the agent, which *fences* an attempt that no runner will finish.
 *   A5. All of it survives a power cut: rollback journal, `synchronous = EXTRA` (the folder too).
 *   A6. A disk that the step filled does not cost its outcome: room for it was taken before (E12).
 */
import { chmodSync, closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Action, ActionOutcome, Variables } from '@sluice/engine'
import type { ProcessIdentity } from './session.ts'

/** Everything a runner needs to know. It is read by another process, perhaps after a reboot. */
export interface AttemptSpec {
  v: 1
  action: Action
  /** Root folder of the operating system that the step works on. */
  osRoot: string
  /** `smsts.log` of the run. */
  logPath: string
  /** A folder of the run that every attempt may use, for work that a later attempt goes on with. */
  workFolder: string
  /** Variables of the step's environment, beside the fixed ones. */
  environment: Record<string, string>
  /** Variables of the sequence, for the step to read and change; absent: it cannot. */
  variables?: Variables
  /** Texts that must not be written to the log. */
  masked: string[]
  /** Where the runner asks for the secrets that the action names, and as which attempt. */
  secrets?: { desk: string; attempt: string }
}

/** A runner that claimed an attempt. */
export interface RunnerIdentity extends ProcessIdentity {
  bootId: string
}

export type AttemptState =
  | { kind: 'absent' }
  /** Written, and no runner claimed it so far. */
  | { kind: 'unclaimed' }
  | { kind: 'alive' }
  /** Claimed by a runner that is dead and left no outcome. */
  | { kind: 'abandoned'; runner: RunnerIdentity; spec: AttemptSpec }
  | { kind: 'done'; outcome: ActionOutcome }
  /** The file is not readable as what it must be. */
  | { kind: 'damaged' }

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** How long a runner waits for a look that the agent takes at that moment. */
const CLAIM_WAIT_MS = 10_000
/** How long the agent waits when it writes into a file that should be free. */
const SETTLE_WAIT_MS = 2_000

const SCHEMA = `CREATE TABLE IF NOT EXISTS attempt (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  spec TEXT NOT NULL,
  runner TEXT,
  outcome TEXT
) STRICT`

const RESERVE_BYTES = 64 * 1024
const reservePath = (path: string) => `${path}.reserve`

/** Writes the intent (A1). An attempt that is there already stays as it is. */
export function createAttempt(path: string, spec: AttemptSpec): void {
  if (!existsSync(path)) writeFileSync(reservePath(path), Buffer.alloc(RESERVE_BYTES, 1), { mode: 0o600 })
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  withFile(path, SETTLE_WAIT_MS, (db) => {
    db.exec('BEGIN IMMEDIATE')
    db.exec(SCHEMA)
    db.prepare('INSERT OR IGNORE INTO attempt (one, spec) VALUES (1, ?)').run(JSON.stringify(spec))
    db.exec('COMMIT')
  })
}

/** Looks at an attempt without waiting and without changing it. */
export function observeAttempt(path: string): AttemptState {
  if (!existsSync(path)) return { kind: 'absent' }
  try {
    return withFile(path, 0, (db) => {
      // The agent was killed while it wrote the intent: then nobody was started either.
      const row = readRow(db)
      if (row === undefined) return { kind: 'absent' }
      if (row.outcome !== undefined) return { kind: 'done', outcome: row.outcome }
      if (row.runner !== undefined) return { kind: 'abandoned', runner: row.runner, spec: row.spec }
      return { kind: 'unclaimed' }
    })
  } catch (error) {
    if (sqliteCode(error) === SQLITE_BUSY) return { kind: 'alive' }
    if (isDamage(error)) return { kind: 'damaged' }
    throw error
  }
}

/**
 * Fences an attempt (A4): from now on no runner will do anything for it. Returns the outcome that
 * stands, which is the runner's when it was faster; undefined when a runner holds the file.
 */
export function fenceAttempt(path: string, outcome: ActionOutcome): ActionOutcome | undefined {
  try {
    return withFile(path, SETTLE_WAIT_MS, (db) => {
      db.exec('BEGIN EXCLUSIVE')
      db.prepare('UPDATE attempt SET outcome = ? WHERE outcome IS NULL').run(JSON.stringify(outcome))
      const stands = readRow(db)?.outcome
      db.exec('COMMIT')
      return stands ?? outcome
    })
  } catch (error) {
    if (sqliteCode(error) === SQLITE_BUSY) return undefined
    throw error
  }
}

/** An attempt in the hands of the runner that claimed it. */
export interface Claim {
  spec: AttemptSpec
  /** Makes the outcome durable and gives up the lock. */
  finish(outcome: ActionOutcome): void
}

/** Claims an attempt (A2, A3); undefined when there is nothing to do for this runner. */
export function claimAttempt(path: string, runner: RunnerIdentity): Claim | undefined {
  if (!existsSync(path)) return undefined
  const db = open(path, CLAIM_WAIT_MS)
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    db.exec('BEGIN EXCLUSIVE')
    const row = readRow(db)
    if (row === undefined || row.runner !== undefined || row.outcome !== undefined) {
      db.close()
      return undefined
    }
    db.prepare('UPDATE attempt SET runner = ?').run(JSON.stringify(runner))
    db.exec('COMMIT')
    return {
      spec: row.spec,
      finish(outcome) {
        // A6
        rmSync(reservePath(path), { force: true })
        db.prepare('UPDATE attempt SET outcome = ?').run(JSON.stringify(outcome))
        db.close()
      },
    }
  } catch (error) {
    db.close()
    // Another runner was faster.
    if (sqliteCode(error) === SQLITE_BUSY) return undefined
    throw error
  }
}

function open(path: string, busyTimeoutMs: number): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: busyTimeoutMs })
  db.exec('PRAGMA synchronous = EXTRA')
  return db
}

function withFile<T>(path: string, busyTimeoutMs: number, work: (db: DatabaseSync) => T): T {
  const db = open(path, busyTimeoutMs)
  try {
    return work(db)
  } finally {
    db.close()
  }
}

interface Row {
  spec: AttemptSpec
  runner: RunnerIdentity | undefined
  outcome: ActionOutcome | undefined
}

/** The row, written by this program; undefined when the file is still empty. */
function readRow(db: DatabaseSync): Row | undefined {
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'attempt'").get() === undefined) return undefined
  const row = db.prepare('SELECT spec, runner, outcome FROM attempt').get()
  if (row === undefined) return undefined
  return {
    spec: JSON.parse(String(row.spec)),
    runner: row.runner === null ? undefined : JSON.parse(String(row.runner)),
    outcome: row.outcome === null ? undefined : JSON.parse(String(row.outcome)),
  }
}

function isDamage(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

/** Primary result code: the low byte; the rest says more about it. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}
