/** The variables of the step that a script is in: what `sluice-ts` reads and writes (S1 of `step-variables.ts`). */
import { existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { Environment, lookUp, type Variable, type Variables } from '@sluice/engine'
import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import { openVariableFile, toVariable } from './step-variables.ts'

/** Names that one step may change: twice what a run may have, so that all may be replaced. */
const MAX_CHANGES = 2_000

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
  const db = openVariableFile(path)
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
