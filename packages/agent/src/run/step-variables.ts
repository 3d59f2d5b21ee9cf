/**
 * The variables of a run as one step sees and changes them. The runner lays them into a file before
 * the step begins, `sluice-ts` reads and writes them there, and the runner takes the changes into the
 * outcome when the step has ended.
 *
 *   S1. What a step may set is decided by the engine's own rules, at the moment it is set: the script
 *       hears of a refusal, and the engine applies the same rules again.
 *   S2. Changes count with the outcome that carries them: they are durable in the same row, and the
 *       run takes both in one commit. A step whose end nobody saw changed nothing.
 *   S3. The file is gone before the outcome is written: what goes on after its step changes nothing,
 *       and the outcome has the room that the file took.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { Environment, lookUp, type Variable, type VariableChange, type Variables } from '@sluice/engine'
import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import { COMPILE_CACHE } from '../footprint.ts'

/** Tells a step's processes where the file is. */
export const STEP_VARIABLES = 'SLUICE_VARIABLES'

const PROGRAM = fileURLToPath(new URL('../../bin/sluice-ts.ts', import.meta.url))
/** Holds the module `SluiceTS`, which is found by its name there. */
const POWERSHELL_MODULES = fileURLToPath(new URL('../../powershell', import.meta.url))
/** How long one call of `sluice-ts` waits for others at the same moment. */
const WAIT_MS = 10_000
/** Names that one step may change: twice what a run may have, so that all may be replaced. */
const MAX_CHANGES = 2_000

// No power cut is survived by what nobody needs after it (S2).
const OPEN = 'PRAGMA synchronous = OFF'
const SCHEMA = `
CREATE TABLE variable (key TEXT PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT;
CREATE TABLE change (key TEXT PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT`

/** The runner's side. */
export interface StepVariables {
  /** For the step's processes: where the file is. */
  environment: Record<string, string>
  /** Folder that holds the program `sluice-ts`. */
  programFolder: string
  hiddenValues(): string[]
  /** The last value of everything that was changed, in the order of the first change of each. */
  changes(): VariableChange[]
  /** S3 */
  remove(): void
}

/** @param path of the file, and what the names of others beside it begin with; nothing is there yet */
export function createStepVariables(path: string, variables: Variables): StepVariables {
  const programFolder = `${path}.bin`
  const remove = (): void => {
    for (const one of [path, `${path}-journal`, programFolder]) rmSync(one, { recursive: true, force: true })
  }
  remove()
  closeSync(openSync(path, 'w', 0o600))
  const db = open(path)
  db.exec(SCHEMA)
  db.exec('BEGIN')
  const insert = db.prepare('INSERT INTO variable (key, name, value, hidden) VALUES (?, ?, ?, ?)')
  for (const [key, { name, value, hidden }] of Object.entries(variables)) insert.run(key, name, value, Number(hidden))
  db.exec('COMMIT')
  mkdirSync(programFolder, { mode: 0o700 })
  const program = join(programFolder, 'sluice-ts')
  // The Node that runs the runner: there may be no other on the system.
  const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
  const kept = process.env[COMPILE_CACHE]
  const settings = `NODE_NO_WARNINGS=1${kept === undefined ? '' : ` ${COMPILE_CACHE}=${quoted(kept)}`}`
  writeFileSync(program, `#!/bin/sh\n${settings} exec ${quoted(process.execPath)} ${quoted(PROGRAM)} "$@"\n`)
  chmodSync(program, 0o700)
  return {
    environment: {
      [STEP_VARIABLES]: path,
      // What the module and the objects start: there may be no shell, and no other Node.
      SLUICE_NODE: process.execPath,
      SLUICE_TS: PROGRAM,
      PSModulePath: [POWERSHELL_MODULES, process.env.PSModulePath].filter((one) => one !== undefined).join(delimiter),
    },
    programFolder,
    hiddenValues: () =>
      db
        .prepare('SELECT value FROM variable WHERE hidden = 1')
        .all()
        .map(({ value }) => String(value)),
    changes: () => db.prepare('SELECT name, value, hidden FROM change ORDER BY rowid').all().map(toVariable),
    remove() {
      db.close()
      remove()
    },
  }
}

/** The script's side: what `sluice-ts` does. */
export interface SharedVariables {
  get(name: string): string | undefined
  isHidden(name: string): boolean
  /** By name. */
  list(): Variable[]
  /** An empty value removes. `VARIABLE_REFUSED` when the run may not have it (S1). */
  set(name: string, value: string, hidden: boolean): Problem | undefined
  close(): void
}

/** @param path from the environment; undefined: not in a step */
export function openStepVariables(path: string | undefined): Result<SharedVariables> {
  if (path === undefined || !existsSync(path))
    return failed(problem('NOT_FOUND', 'There is no task sequence: sluice-ts works in a step of one only.'))
  const db = open(path)
  const list = (): Variable[] =>
    db.prepare('SELECT name, value, hidden FROM variable ORDER BY key').all().map(toVariable)
  const environment = (): Environment =>
    new Environment(Object.fromEntries(list().map((one) => [one.name.toLowerCase(), one])), Date.now)
  return ok({
    get: (name) => environment().get(name),
    isHidden: (name) => lookUp(environment().variables, name)?.hidden ?? false,
    list,
    set(name, value, hidden) {
      db.exec('BEGIN IMMEDIATE')
      try {
        const changing = environment()
        const refused = changing.set(name, value, hidden) ?? tooMany(db, name)
        if (refused === undefined) keep(db, name, value, changing.variables)
        db.exec('COMMIT')
        return refused
      } catch (error) {
        db.exec('ROLLBACK')
        throw error
      }
    },
    close: () => db.close(),
  })
}

function keep(db: DatabaseSync, name: string, value: string, after: Variables): void {
  const key = name.toLowerCase()
  const now = Object.hasOwn(after, key) ? after[key] : undefined
  if (now === undefined) db.prepare('DELETE FROM variable WHERE key = ?').run(key)
  for (const table of now === undefined ? ['change'] : ['variable', 'change'])
    db.prepare(
      `INSERT INTO ${table} (key, name, value, hidden) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, hidden = excluded.hidden`,
    ).run(key, now?.name ?? name, value, Number(now?.hidden ?? false))
}

function tooMany(db: DatabaseSync, name: string): Problem | undefined {
  const row = db.prepare('SELECT count(*) AS n FROM change WHERE key <> ?').get(name.toLowerCase())
  return Number(row?.n) < MAX_CHANGES
    ? undefined
    : problem('VARIABLE_REFUSED', `A step may change ${MAX_CHANGES} variables at most.`)
}

function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: WAIT_MS })
  db.exec(OPEN)
  return db
}

const toVariable = (row: Record<string, unknown>): Variable => ({
  ...{ name: String(row.name), value: String(row.value), hidden: row.hidden === 1 },
})
