/**
 * The agent's side of attempts: starts runners and finds out how attempts ended, also those that an
 * earlier agent or an earlier boot began.
 *
 *   R1. A runner leads a session of its own, with nothing of the agent's but the path of the attempt:
 *       it outlives the agent.
 *   R2. An attempt that nobody claimed gets a runner again: the file lets one of them act (A3), so an
 *       agent that was killed before its runner began loses nothing, and nobody has to guess how long
 *       a runner may take to begin.
 *   R3. A claimed attempt without runner and outcome is *unknown*, but only once nothing of the
 *       runner's session lives: whoever runs the step again must be alone.
 */
import { spawn } from 'node:child_process'
import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ActionOutcome, AttemptId } from '@sluice/engine'
import { COMPILE_CACHE } from '../footprint.ts'
import { type AttemptSpec, type AttemptState, createAttempt, fenceAttempt, observeAttempt } from './attempt.ts'
import { percentPath } from './perform.ts'
import { endStepNow, stepLives } from './step-processes.ts'
import { runDetached } from './windows/detach.ts'
import { systemEnvironment } from './windows/environment.ts'
import { STEP_PROGRAM } from './windows/step-program.ts'

export interface Runners {
  /** Makes the intent durable, then starts a runner. Doing it again for the same attempt changes nothing. */
  start(attempt: AttemptId, spec: AttemptSpec): void
  /**
   * Waits for an attempt and returns how it ended. Throws the signal's reason when aborted; the runner
   * goes on then.
   */
  outcome(attempt: AttemptId, signal: AbortSignal): Promise<ActionOutcome>
  /** Progress of a running attempt, 0 to 100, where it tells. */
  percent(attempt: AttemptId): number | undefined
}

const RUNNER = fileURLToPath(new URL('../../bin/sluice-runner.ts', import.meta.url))

/** Runners that may end without claiming before the attempt is given up. */
const MOST_STARTS = 3
/** What is left of a step without a time-out of its own gets this long after its runner died. */
const ORPHAN_MS = 3600_000

/**
 * @param options.folder of the attempts' files, for the agent only; it exists
 * @param options.bootId names the present boot
 * @param options.pollMs between two looks at an attempt
 * @param options.orphanMs how long what a dead runner left may go on before it is ended
 */
export function createRunners(options: {
  folder: string
  bootId: string
  pollMs?: number
  orphanMs?: number
  runner?: string
}): Runners {
  const { folder, bootId, pollMs = 200, runner = RUNNER } = options
  /** Runners that this process started and that have not ended. */
  const mine = new Map<AttemptId, Promise<void>>()
  const starts = new Map<AttemptId, number>()
  const pathOf = (attempt: AttemptId) => join(folder, `${fileName(attempt)}.attempt`)

  const spawnRunner = (attempt: AttemptId) => {
    starts.set(attempt, (starts.get(attempt) ?? 0) + 1)
    // R1
    const argv = [process.execPath, runner, pathOf(attempt), bootId]
    const environment = { ...runnerEnvironment(), NODE_NO_WARNINGS: '1', ...passedOn() }
    const start = process.platform === 'win32' ? runDetached : runInNewSession
    const ended = start(argv, { folder, environment }).then(() => void mine.delete(attempt))
    mine.set(attempt, ended)
  }

  /** One look: the outcome, or undefined when there is something to wait for. */
  const settle = (attempt: AttemptId, state: AttemptState): ActionOutcome | undefined => {
    const path = pathOf(attempt)
    switch (state.kind) {
      case 'absent':
        // Without the file there is nothing that a runner could claim.
        return { kind: 'notStarted' }
      case 'done':
        return state.outcome
      case 'alive':
        return undefined
      case 'unclaimed':
        if (mine.has(attempt)) return undefined
        if ((starts.get(attempt) ?? 0) >= MOST_STARTS)
          return fenceAttempt(path, { kind: 'couldNotStart', detail: 'The runner ended before it began.' })
        // R2
        spawnRunner(attempt)
        return undefined
      case 'abandoned': {
        // R3
        const { runner: dead, spec } = state
        if (dead.bootId === bootId && stepLives(dead)) {
          orphans.endOverdue(attempt, spec, () => endStepNow(dead))
          return undefined
        }
        return fenceAttempt(path, { kind: 'unknown' })
      }
      case 'damaged':
        renameSync(path, `${path}.damaged`)
        return { kind: 'unknown' }
    }
  }
  const orphans = orphanClock(options.orphanMs ?? ORPHAN_MS)

  return {
    start(attempt, spec) {
      createAttempt(pathOf(attempt), spec)
      if (observeAttempt(pathOf(attempt)).kind === 'unclaimed' && !mine.has(attempt)) spawnRunner(attempt)
    },
    async outcome(attempt, signal) {
      for (;;) {
        signal.throwIfAborted()
        const outcome = settle(attempt, observeAttempt(pathOf(attempt)))
        if (outcome !== undefined) return outcome
        const waited = delay(pollMs, undefined, { signal }).catch(() => {})
        const runnerEnded = mine.get(attempt)
        await (runnerEnded === undefined ? waited : Promise.race([waited, runnerEnded]))
      }
    },
    percent(attempt) {
      try {
        const percent = Number(readFileSync(percentPath(pathOf(attempt)), 'utf8'))
        return percent >= 0 && percent <= 100 ? percent : undefined
      } catch {
        return undefined
      }
    },
  }
}

const runnerEnvironment = (): Record<string, string> =>
  process.platform === 'win32' ? systemEnvironment(process.env) : { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

/** Runners start from the code that the agent keeps compiled, and as Node was told to start. */
const passedOn = (): Record<string, string> =>
  Object.fromEntries(
    [COMPILE_CACHE, STEP_PROGRAM, ...(process.platform === 'win32' ? ['NODE_OPTIONS'] : [])].flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )

/** Resolves when the process has ended, or could not be started. */
async function runInNewSession(
  [program = '', ...words]: readonly string[],
  { folder, environment }: { folder: string; environment: Record<string, string> },
): Promise<void> {
  const child = spawn(program, words, { detached: true, stdio: 'ignore', cwd: folder, env: environment })
  child.unref()
  await new Promise<void>((resolve) => {
    child.on('error', () => resolve())
    child.on('exit', () => resolve())
  })
}

/** How long what a dead runner left behind may still go on, by a clock that only rises. */
function orphanClock(orphanMs: number) {
  const since = new Map<AttemptId, number>()
  return {
    endOverdue(attempt: AttemptId, spec: AttemptSpec, end: () => void) {
      const first = since.get(attempt) ?? performance.now()
      since.set(attempt, first)
      if (performance.now() - first >= (spec.action.timeoutMs ?? orphanMs)) end()
    },
  }
}

/** The attempt's name as a file name; names come from the engine and are short and plain. */
function fileName(attempt: AttemptId): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$/.test(attempt)) throw new Error(`not an attempt: ${attempt}`)
  return attempt
}
