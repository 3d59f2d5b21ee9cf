/** `sluice-agent trace`: why a run did what it did, for the people who look after the device. */
import { flatten } from '@sluice/engine'
import { RunId } from '@sluice/protocol'
import { MISUSED, type Output, readWords } from '../command-line.ts'
import { openAgentDatabase } from '../state/agent-database.ts'
import { hiddenValues } from './host.ts'
import { createRunStore } from './run-store.ts'
import { traceLines, traceOf } from './trace.ts'

const usage = `Usage: sluice-agent trace [<run>] --config <file.json> [--json]

  Prints what a run decided, and why: the latest one, or the one that is named. The last 10 are kept.`

/** @param args after `trace`. The exit code: 0 when there was something to print. */
export async function traceCommand(args: string[], { out, error }: Output): Promise<number> {
  const options = { config: { type: 'string' }, json: { type: 'boolean' } } as const
  const words = readWords(args, { options, usage, takesWords: true }, error)
  if (words === undefined) return MISUSED
  const { values, positionals } = words
  const [named, ...others] = positionals
  if (values.config === undefined || others.length > 0) {
    error(usage)
    return MISUSED
  }
  const wanted = RunId.safeParse(named)
  if (named !== undefined && !wanted.success) {
    error(`${named} is not the id of a run, such as run_4k2p0c9s1d.`)
    return MISUSED
  }
  const opened = await openAgentDatabase(values.config)
  if (!opened.ok) {
    error(`${opened.problem.code}: ${opened.problem.detail}`)
    return 1
  }
  using db = opened.value.db
  const store = createRunStore({ db })
  const run = store.find(wanted.data)
  if (run === undefined) {
    error(
      named === undefined ? 'No sequence has run on this device.' : `There is no run ${named}; the last 10 are kept.`,
    )
    return 1
  }
  const trace = traceOf({
    ...{ runId: run.runId, startedAt: run.startedAt, sequence: run.accepted.sequence.name },
    journal: store.journal(run.runId),
    table: flatten(run.accepted.sequence),
    hidden: hiddenValues(run.state),
  })
  if (values.json === true) out(JSON.stringify(trace))
  else for (const line of traceLines(trace)) out(line)
  return 0
}
