/**
 * The variables of a run as one step sees and changes them. The runner lays them into a file before
 * the step begins, `sluice-ts` reads and writes them there (`shared-variables.ts`), and the runner takes
 * the changes into the outcome when the step has ended.
 *
 * Every step waits for its runner to start: nothing that it loads may load the engine or the protocol.
 *
 *   S1. What a step may set is decided by the engine's own rules, at the moment it is set: the script
 *       hears of a refusal, and the engine applies the same rules again.
 *   S2. Changes count with the outcome that carries them: they are durable in the same row, and the
 *       run takes both in one commit. A step whose end nobody saw changed nothing.
 *   S3. The file is gone before the outcome is written: what goes on after its step changes nothing,
 *       and the outcome has the room that the file took.
 */
import { chmodSync, closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { Variable, VariableChange, Variables } from '@sluice/engine'
import { COMPILE_CACHE } from '../footprint.ts'

/** Tells a step's processes where the file is. */
export const STEP_VARIABLES = 'SLUICE_VARIABLES'

const PROGRAM = fileURLToPath(new URL('../../bin/sluice-ts.ts', import.meta.url))
/** Holds the module `SluiceTS`, which is found by its name there. */
const POWERSHELL_MODULES = fileURLToPath(new URL('../../powershell', import.meta.url))
/** How long one call of `sluice-ts` waits for others at the same moment. */
const WAIT_MS = 10_000

// No power cut is survived by what nobody needs after it (S2).
const OPEN = 'PRAGMA synchronous = OFF'
const SCHEMA = `
CREATE TABLE variable (key TEXT PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT;
CREATE TABLE change (key TEXT PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT`

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
  const db = openVariableFile(path)
  db.exec(SCHEMA)
  db.exec('BEGIN')
  const insert = db.prepare('INSERT INTO variable (key, name, value, hidden) VALUES (?, ?, ?, ?)')
  for (const [key, { name, value, hidden }] of Object.entries(variables)) insert.run(key, name, value, Number(hidden))
  db.exec('COMMIT')
  mkdirSync(programFolder, { mode: 0o700 })
  writeProgram(programFolder)
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

/** `sluice-ts` by its name, with the Node that runs the runner: there may be no other on the system. */
function writeProgram(folder: string): void {
  const kept = process.env[COMPILE_CACHE]
  if (process.platform === 'win32') {
    const settings = ['NODE_NO_WARNINGS=1', ...(kept === undefined ? [] : [`${COMPILE_CACHE}=${kept}`])]
    const lines = settings.map((setting) => `@set "${setting.replaceAll('%', '%%')}"`)
    const call = [process.execPath, PROGRAM].map((word) => `"${word.replaceAll('%', '%%')}"`).join(' ')
    const text = ['@setlocal', ...lines, `@${call} %*`, ''].join('\r\n')
    writeFileSync(join(folder, 'sluice-ts.cmd'), text, { mode: 0o600 })
    return
  }
  const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
  const program = join(folder, 'sluice-ts')
  const settings = `NODE_NO_WARNINGS=1${kept === undefined ? '' : ` ${COMPILE_CACHE}=${quoted(kept)}`}`
  writeFileSync(program, `#!/bin/sh\n${settings} exec ${quoted(process.execPath)} ${quoted(PROGRAM)} "$@"\n`)
  chmodSync(program, 0o700)
}

/** The file, made before. */
export function openVariableFile(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: WAIT_MS })
  db.exec(OPEN)
  return db
}

export const toVariable = (row: Record<string, unknown>): Variable => ({
  ...{ name: String(row.name), value: String(row.value), hidden: row.hidden === 1 },
})
