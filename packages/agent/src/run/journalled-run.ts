/**
 * A run with the agent's own journal on SQLite and its own host, and with steps that end at once: what
 * the engine, the journal and the messages take above the work of steps. For benchmarks, and for tests
 * that break it off at every write.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Action, type ActionOutcome, advance, flatten, type Host, type RunResult, startRun } from '@sluice/engine'
import {
  ClientSettings,
  DeploymentId,
  DeploymentSettings,
  ok,
  type PolicyDeployment,
  ProblemError,
  RunId,
  type Sequence,
  SequenceId,
  Sha256,
} from '@sluice/protocol'
import { createPlatform } from '../platform/registry.ts'
import { createOutbox } from '../report/outbox.ts'
import { openState } from '../state/state.ts'
import { createHost } from './host.ts'
import { createProgress } from './progress.ts'
import { createRunStore } from './run-store.ts'
import type { Runners } from './runners.ts'

export interface JournalledRun {
  result: RunResult
  /** Durable commits of the run, without the one that begins it. */
  commits: number
  /** From the first instruction to the end. */
  milliseconds: number
}

export interface JournalledRunOptions {
  /** Holds the state. A run that was broken off goes on when this is called again with the same folder. */
  folder: string
  sequence: Sequence
  /** How an action ends; without it, well. */
  outcome?: (action: Action) => ActionOutcome
  /** Stands between the engine and the host. */
  around?: (host: Host) => Host
  runners?: Runners
  /** Names the present boot. */
  bootId?: string
}

const runId = RunId.parse('run_0000000000')
const deploymentId = DeploymentId.parse('dep_0000000000')

/** Steps that end at once; what ended is remembered, as runners and their files outlive an agent. */
export function instantRunners(outcome: (action: Action) => ActionOutcome = succeed): Runners {
  const ended = new Map<string, ActionOutcome>()
  return {
    start: (attempt, { action }) => void (ended.has(attempt) || ended.set(attempt, outcome(action))),
    outcome: async (attempt) => ended.get(attempt) ?? { kind: 'notStarted' },
    percent: () => undefined,
  }
}

const noBytes = {
  ...{ neededBytes: 0, fetchedBytes: 0, metadataBytes: 0 },
  ...{ cloudBytes: 0, cacheBytes: 0, seedBytes: 0 },
}
const succeed = (): ActionOutcome => ({ kind: 'exited', exitCode: 0, output: '' })

/** Carries the sequence to its end, or to its first restart. Throws what the host throws. */
export async function journalledRun(options: JournalledRunOptions): Promise<JournalledRun | 'restart'> {
  const { folder, sequence } = options
  const runners = options.runners ?? instantRunners(options.outcome)
  await mkdir(folder, { recursive: true })
  const opened = await openState(join(folder, 'state'))
  if (!opened.ok) throw new ProblemError(opened.problem)
  const state = opened.value
  const table = flatten(sequence)
  const store = createRunStore(state)
  const found = await createPlatform({
    ...{ stateFolder: folder, osRoot: '/', facts: {}, restart: { kind: 'exit', code: 0 }, exit: () => {} },
  })
  const platform = { ...found, bootId: options.bootId ?? found.bootId }
  const outbox = createOutbox({ state, bootId: platform.bootId, now: Date.now })
  const logPath = join(folder, 'smsts.log')
  try {
    const last = store.journal(runId).at(-1)
    if (last?.kind === 'runFinished') return { result: last.result, commits: 0, milliseconds: 0 }
    let record = store.active()
    if (record === undefined) {
      const deployment = deploymentOf(sequence)
      const started = startRun({
        ...{ sequence, table, deploymentId, sequenceId: deployment.sequenceId, settings: deployment.settings },
        ...{ undeclaredInputs: 'refuse', startedBy: 'user', logPath, at: Date.now(), facts: await platform.facts() },
      })
      if (!started.ok) throw new ProblemError(started.problem)
      record = {
        ...{ runId, accepted: { deployment, sequence, clientSettings: ClientSettings.parse({}), variables: [] } },
        ...{ startedAt: Date.now(), osBefore: '', firstStepMs: undefined, grants: undefined },
        state: started.value.state,
      }
      const [begun, entries] = [record, started.value.entries]
      state.transaction(() => store.begin(begun, entries))
    }
    const progress = createProgress({
      ...{ runId, deploymentId, stepCount: table.stepCount, finished: [], tell: () => {} },
    })
    let commits = 0
    const host = createHost({
      ...{ record, table, state, store, outbox, platform, runners, progress, logPath },
      cache: { release: () => {} },
      contents: {
        prepare: () => {},
        acquire: async () => ok({ folder: '/content', neededBytes: 0, fetchedBytes: 0 }),
        expect: () => {},
        bytes: () => noBytes,
        close: async () => {},
      },
      log: { write: () => {} },
      ...{
        osRoot: '/',
        workFolder: folder,
        secretDesk: join(folder, 'secrets'),
        now: Date.now,
        installedAtMs: undefined,
      },
      onCommit: () => void commits++,
    })
    const began = performance.now()
    const stop = new AbortController().signal
    const end = await advance({ table, state: record.state, host: options.around?.(host) ?? host, stop })
    progress.close()
    if (end.kind !== 'finished') return 'restart'
    return { result: end.result, commits, milliseconds: performance.now() - began }
  } finally {
    state.close()
  }
}

function deploymentOf(sequence: Sequence): PolicyDeployment {
  return {
    ...{ id: deploymentId, revision: 1, name: sequence.name, sequenceId: SequenceId.parse('seq_0000000000') },
    sequence: { target: 'sequence', sha256: Sha256.parse('0'.repeat(64)), lengthBytes: 1 },
    ...{ settings: DeploymentSettings.parse({}), packages: [], refusals: [] },
  }
}
