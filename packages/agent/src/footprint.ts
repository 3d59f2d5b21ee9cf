/**
 * What keeps an idle agent small, set before anything else of it is loaded; so it imports nothing of the agent.
 *
 * Its code is kept compiled in a folder of its own: without that every start strips the types of hundreds of files, and
 * what does it stays in memory for as long as the agent runs. The folder is as private as the rest of the state, since
 * what lies there is run. Runners and `sluice-ts` use it too, and start in half the time.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'

/** The name that Node knows; processes that the agent starts get it from there. */
export const COMPILE_CACHE = 'NODE_COMPILE_CACHE'

/** @param configPath the agent's configuration; what is wrong with it is told by whoever reads it in earnest */
export function keepSmall(configPath: string | undefined): void {
  setFlagsFromString('--optimize-for-size')
  if (configPath === undefined || process.env[COMPILE_CACHE] !== undefined) return
  try {
    const { stateFolder } = JSON.parse(readFileSync(configPath, 'utf8'))
    if (typeof stateFolder !== 'string' || stateFolder === '') return
    const folder = join(resolve(dirname(configPath), stateFolder), 'compile-cache')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    enableCompileCache(folder)
    process.env[COMPILE_CACHE] = folder
  } catch {
    // It works without, only larger.
  }
}
