/** What people see of a run while it goes on: changed in place, told to listeners a few times a second. */
import type { DeploymentId, FinishedStep, Problem, RunId, RunProgress } from '@sluice/protocol'

export interface Progress {
  current(): RunProgress
  set(changes: Partial<Omit<RunProgress, 'runId' | 'deploymentId' | 'finishedSteps' | 'download' | 'waiting'>>): void
  stepsFinished(steps: readonly FinishedStep[]): void
  /** Bytes of a package that are here; undefined: nothing is fetched now. */
  download(state: { packageName: string; doneBytes: number; totalBytes: number } | undefined): void
  /** Bytes that came over the network just now. */
  received(bytes: number): void
  waiting(reason: Problem | undefined): void
  /** Ends the timer. */
  close(): void
}

/** Listeners are told at most so often; changes in between are told together. */
const TELL_MS = 200
/** The rate is that of the last seconds. */
const RATE_MS = 4_000

export function createProgress(options: {
  runId: RunId
  deploymentId: DeploymentId
  stepCount: number
  finished: readonly FinishedStep[]
  tell: () => void
}): Progress {
  const { runId, deploymentId, stepCount, tell } = options
  let now: RunProgress = {
    runId,
    deploymentId,
    phase: 'preparing',
    step: 0,
    stepCount,
    stepName: '',
    finishedSteps: [...options.finished],
  }
  let timer: NodeJS.Timeout | undefined
  let toldAt = Number.NEGATIVE_INFINITY
  let arrivals: { at: number; bytes: number }[] = []

  const tellNow = () => {
    timer = undefined
    toldAt = performance.now()
    tell()
  }
  const changed = () => {
    if (timer !== undefined) return
    const wait = toldAt + TELL_MS - performance.now()
    if (wait <= 0) tellNow()
    else timer = setTimeout(tellNow, wait)
  }
  const change = (next: RunProgress) => {
    now = next
    changed()
  }
  const without = <K extends 'download' | 'waiting' | 'percent'>(field: K): RunProgress => {
    const { [field]: _, ...rest } = now
    return rest as RunProgress
  }
  const rate = () => {
    const from = performance.now() - RATE_MS
    arrivals = arrivals.filter(({ at }) => at >= from)
    const first = arrivals[0]
    if (first === undefined) return 0
    const seconds = Math.max(0.25, (performance.now() - first.at) / 1000)
    return arrivals.reduce((sum, { bytes }) => sum + bytes, 0) / seconds
  }

  return {
    current: () =>
      now.download === undefined ? now : { ...now, download: { ...now.download, bytesPerSecond: rate() } },
    set: (changes) => change({ ...(changes.stepName === undefined ? now : without('percent')), ...changes }),
    stepsFinished(steps) {
      if (steps.length > 0) change({ ...now, finishedSteps: [...now.finishedSteps, ...steps] })
    },
    download(state) {
      if (state === undefined) arrivals = []
      change(state === undefined ? without('download') : { ...now, download: { ...state, bytesPerSecond: 0 } })
    },
    received(bytes) {
      const last = arrivals.at(-1)
      // One entry a tenth of a second is enough for the eye.
      if (last !== undefined && performance.now() - last.at < 100) last.bytes += bytes
      else arrivals.push({ at: performance.now(), bytes })
    },
    waiting: (reason) => change(reason === undefined ? without('waiting') : { ...now, waiting: reason }),
    close() {
      if (timer !== undefined) clearTimeout(timer)
      timer = undefined
    },
  }
}
