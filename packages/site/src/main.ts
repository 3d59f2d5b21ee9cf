/** The site as a process: reads its configuration, says when it is ready, ends when told to. */
import { parseArgs } from 'node:util'
import { openFolderStore } from '@sluice/content'
import { ProblemError } from '@sluice/protocol'
import { systemClock } from './clock.ts'
import { readSiteConfig, type SiteConfig } from './config.ts'
import { openDataFolder } from './data-folder.ts'
import { openDatabase } from './db/database.ts'
import { createLog, type Log } from './log.ts'
import { createSite, type SiteAddresses } from './site.ts'
import { startFailure, startFailureLine } from './start-failure.ts'

const USAGE = 'usage: sluice-site --config <file.json> [--restored]'
/** A part that does not end by then is left to the operating system. */
const STOP_TIMEOUT_MS = 8_000

/** Runs until SIGTERM or SIGINT. Sets the exit code: 0 after a proper end, 1 when it could not start. */
export async function main(args: string[]): Promise<void> {
  const told = readArguments(args)
  if (told === undefined) return refuse(USAGE)
  const config = await readSiteConfig(told.config)
  if (!config.ok) return refuse(startFailureLine(config.problem))

  const log = createLog((line) => process.stderr.write(`${line}\n`))
  const signal = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  let running: RunningSite
  try {
    running = await start(config.value, told.restored, log)
  } catch (error) {
    const reason = startFailure(error, config.value.dataFolder)
    if (reason !== undefined) return refuse(startFailureLine(reason))
    log.error('the site could not start', { error })
    process.exitCode = 1
    return
  }
  process.stdout.write(`${JSON.stringify({ ready: true, ...running.addresses })}\n`)
  // The link for the first administrator is a secret: printed, not logged.
  const { firstAdministrator: _, ...addresses } = running.addresses
  log.info('ready', addresses)

  log.info('ending', { signal: await signal })
  const late = setTimeout(() => {
    log.error('not everything ended in time')
    process.exit(1)
  }, STOP_TIMEOUT_MS)
  await running.stop()
  clearTimeout(late)
  log.info('ended')
}

interface RunningSite {
  addresses: SiteAddresses
  stop(): Promise<void>
}

/** Opens things in the order in which they need each other; what fails closes what is open. */
async function start(config: SiteConfig, restored: boolean, log: Log): Promise<RunningSite> {
  await using opened = new AsyncDisposableStack()
  const folder = openDataFolder(config.dataFolder)
  opened.defer(() => folder.release())
  const location =
    config.database.kind === 'sqlite' ? ({ kind: 'sqlite', path: folder.database } as const) : config.database
  const database = await openDatabase(location, (error) => log.warn('a connection to the database broke', { error }))
  if (!database.ok) throw new ProblemError(database.problem)
  opened.defer(() => database.value.destroy())
  const store = await openFolderStore(config.contentFolder ?? folder.content)
  const site = await createSite({ config, folder, db: database.value, store, clock: systemClock, log })
  opened.defer(() => site.stop())
  if (restored) await site.restored()
  const addresses = await site.start()
  const parts = opened.move()
  return { addresses, stop: () => parts.disposeAsync() }
}

interface Arguments {
  config: string
  /** The data was restored from a backup since the last start. */
  restored: boolean
}

function readArguments(args: string[]): Arguments | undefined {
  try {
    const { config, restored = false } = parseArgs({
      args,
      options: { config: { type: 'string' }, restored: { type: 'boolean' } },
    }).values
    return config === undefined ? undefined : { config, restored }
  } catch {
    return undefined
  }
}

function refuse(line: string): void {
  process.stderr.write(`${line}\n`)
  process.exitCode = 1
}
