/**
 * Starts required deployments at their deadline: once each, as soon as nothing else runs. One that
 * has run, whatever came of it, is not started again by itself.
 */
import { createBell } from '../bell.ts'
import type { Log } from '../log.ts'
import type { Runs } from '../run/runs.ts'
import type { EvaluatedDeployment } from './evaluation.ts'
import type { Startable } from './startable.ts'

export interface Deadlines {
  start(): void
  /** Deployments, time or runs changed: look again. */
  look(): void
  stop(): Promise<void>
}

export interface DeadlinesOptions {
  deployments: () => readonly EvaluatedDeployment[]
  runs: Pick<Runs, 'start' | 'progress' | 'lastReport'>
  startable: Startable
  /** Milliseconds since 1970, by the site's signed time. */
  now: () => number
  log: Log
}

/** A deadline is found at the latest this long after it, however the clock was changed. */
const LOOK_EVERY_MS = 60_000

export function createDeadlines(options: DeadlinesOptions): Deadlines {
  const { deployments, runs, startable, now, log } = options
  const stopped = new AbortController()
  const bell = createBell()
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    const { signal } = stopped
    while (!signal.aborted) {
      await startDue()
      const next = Math.min(...deployments().filter(waits).map(deadlineOf), now() + LOOK_EVERY_MS)
      await bell.wait(Math.max(next - now(), 0), signal)
    }
  }

  const deadlineOf = ({ deployment: { settings } }: EvaluatedDeployment) =>
    settings.purpose === 'required' && settings.deadlineAt !== undefined ? Date.parse(settings.deadlineAt) : Infinity
  const isDue = (one: EvaluatedDeployment) => deadlineOf(one) <= now()
  const waits = (one: EvaluatedDeployment) => !isDue(one)

  async function startDue(): Promise<void> {
    const running = runs.progress()
    if (running !== undefined && running.phase !== 'finished') return
    for (const one of deployments().filter(isDue)) {
      if (runs.lastReport(one.deployment.id) !== undefined) continue
      const accepted = startable(one)
      if (!accepted.ok) continue
      const started = await runs.start(accepted.value, 'deadline')
      if (started.ok) {
        log.info('a required deployment was started at its deadline', { deployment: one.deployment.id })
        return
      }
      log.warn('a required deployment could not be started', {
        deployment: one.deployment.id,
        problem: started.problem,
      })
    }
  }

  return {
    start() {
      running ??= run()
    },
    look() {
      bell.ring()
    },
    async stop() {
      stopped.abort()
      await running
    },
  }
}
