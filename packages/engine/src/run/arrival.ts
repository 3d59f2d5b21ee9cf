import type { RunChange } from './run-end.ts'
import type { Phase, RunState } from './run-state.ts'

/**
 * What a process takes note of that finds a run in the middle of something: another boot, or that the machine
 * was not restarted although that was asked for (R5 of run.ts; counted for R7). Undefined: nothing.
 */
export function arrival({ phase, restarts }: RunState, bootId: string, at: number): RunChange | undefined {
  if (phase.kind === 'ready' || phase.kind === 'finished') return undefined
  if (phase.bootId === bootId)
    return phase.kind === 'rebootPending'
      ? { changes: {}, entries: [{ kind: 'restartRequested', at, message: phase.message }] }
      : undefined
  let next: Phase = { kind: 'ready' }
  if (phase.kind !== 'rebootPending') next = { ...phase, bootId }
  else if (phase.resume !== undefined) next = { kind: 'preparing', bootId, ...phase.resume }
  return { changes: { phase: next, restarts: restarts + 1 }, entries: [{ kind: 'restarted', at, bootId }] }
}
