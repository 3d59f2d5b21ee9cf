/** What one line says about an offered sequence; the same words in the list and on its page. */
import type { CenterItem, RunProgress } from '@sluice/protocol'

export type ItemStatus =
  | {
      kind:
        | 'available'
        | 'refused'
        | 'installed'
        | 'failed'
        | 'cancelled'
        | 'preparing'
        | 'restarting'
        | 'waiting'
        | 'paused'
    }
  | { kind: 'downloading' | 'running'; run: RunProgress }

/** The run, if it is one of this item and is not over. */
export function runOf(item: CenterItem, run: RunProgress | undefined): RunProgress | undefined {
  return run?.deploymentId === item.deploymentId && run.phase !== 'finished' ? run : undefined
}

/** Status of an item, from its state and from what is running on the device. */
export function itemStatus(item: CenterItem, anyRun: RunProgress | undefined): ItemStatus {
  const run = runOf(item, anyRun)
  if (run === undefined) {
    if (item.state === 'installing') return { kind: 'preparing' }
    if (item.state === 'available' && item.lastReport?.result === 'cancelled') return { kind: 'cancelled' }
    return { kind: item.state }
  }
  if (run.phase === 'restarting') return { kind: 'restarting' }
  if (run.phase === 'paused') return { kind: 'paused' }
  if (run.waiting) return { kind: 'waiting' }
  if (run.download) return { kind: 'downloading', run }
  return run.phase === 'preparing' ? { kind: 'preparing' } : { kind: 'running', run }
}

/**
 * How much of a run is done, 0 to 1, by its steps: for general guidance, as in the original
 * (configmgr-behaviour §3.13), since the steps that conditions will skip are not known.
 */
export function runFraction({ step, stepCount, percent, download }: RunProgress): number {
  if (stepCount === 0) return 0
  const ofDownload = download && download.totalBytes > 0 ? download.doneBytes / download.totalBytes : 0
  // The bytes of a step come before its work: together they are the step.
  const ofStep = percent === undefined ? ofDownload / 2 : percent / 100
  return Math.min(1, (Math.max(0, step - 1) + (step > 0 ? Math.min(1, ofStep) : 0)) / stepCount)
}
