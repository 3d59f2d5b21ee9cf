/** The agent's database for the orders that people give beside it, with or without the agent running. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { loadConfig } from '../config.ts'
import { migrations } from './migrations.ts'

/** How long to wait for an agent that writes at the same moment. */
const BUSY_MS = 5_000

/** `NOT_FOUND` where no agent has run, `DATA_TOO_NEW` where it is of another form than this program knows. */
export async function openAgentDatabase(
  configPath: string,
): Promise<Result<{ db: DatabaseSync; stateFolder: string }>> {
  const config = await loadConfig(configPath)
  if (!config.ok) return config
  const { stateFolder } = config.value
  const file = join(stateFolder, 'agent.db')
  if (!existsSync(file)) return failed(problem('NOT_FOUND', `There is no ${file}: the agent has never run.`))
  const db = new DatabaseSync(file, { timeout: BUSY_MS })
  const form = Number(db.prepare('PRAGMA user_version').get()?.user_version)
  if (form === migrations.length) return ok({ db, stateFolder })
  db.close()
  const which = form > migrations.length ? 'a newer agent' : 'an older agent that has not ended yet'
  return failed(problem('DATA_TOO_NEW', `${file} belongs to ${which}; use its own command.`))
}
