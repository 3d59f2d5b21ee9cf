import { type DeviceId, MAX_PAGE, ProblemError, type StatusEntry } from '@sluice/protocol'
import type { Command } from 'commander'
import type { Site } from '../connect/site.ts'
import type { Session } from '../run.ts'
import { wholeNumber } from '../terminal/options.ts'
import { statusLine } from '../terminal/status-line.ts'

/** How long the site waits for the next message before it answers with none. */
const WAIT_MS = 25_000
/** Names that are remembered. */
const MOST_NAMES = 10_000

export function addStatusCommand(program: Command, session: Session): void {
  program
    .command('status')
    .description('prints what devices report, oldest first; with --json one object a line')
    .option('--watch', 'goes on with what comes, until Ctrl-C')
    .option('--device <device>', 'of this device only; host name or id')
    .option('--after <cursor>', 'only what came after this', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--limit <count>', 'ends after so many', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (options: { watch?: boolean; device?: string; after?: number; limit?: number }): Promise<void> => {
      const site = await session.site()
      const [device] = options.device === undefined ? [] : await site.devices([options.device])
      const names = new Names(site)
      let after = options.after ?? 0
      let left = options.limit ?? Number.POSITIVE_INFINITY
      while (!session.signal.aborted && left > 0) {
        const query: Record<string, string> = {
          after: String(after),
          waitMs: options.watch === true ? String(WAIT_MS) : '0',
          limit: String(Math.min(MAX_PAGE, left)),
        }
        if (device !== undefined) query.device = device.id
        const entries = await nextEntries(site, query, session)
        for (const entry of entries) {
          const name = session.out.json ? '' : await names.of(entry.deviceId)
          session.out.result(entry, () => [statusLine(entry, name)])
          after = entry.cursor
          left--
        }
        if (options.watch !== true && entries.length === 0) return
      }
    })
}

/** Ctrl-C while the site waits is how watching ends, not a failure. */
async function nextEntries(site: Site, query: Record<string, string>, session: Session): Promise<StatusEntry[]> {
  try {
    return await site.call('status', { query })
  } catch (error) {
    if (session.signal.aborted) return []
    throw error
  }
}

/** What devices are called; each is asked for when it turns up. */
class Names {
  readonly #known = new Map<DeviceId, string>()
  readonly #site: Site

  constructor(site: Site) {
    this.#site = site
  }

  async of(id: DeviceId): Promise<string> {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    if (this.#known.size >= MOST_NAMES) this.#known.clear()
    const name = await this.#site.call('device', { id }).then(
      ({ facts }) => facts.hostname,
      (error: unknown) => {
        // A deleted device keeps its id for a name.
        if (error instanceof ProblemError && error.problem.code === 'NOT_FOUND') return id
        throw error
      },
    )
    this.#known.set(id, name)
    return name
  }
}
