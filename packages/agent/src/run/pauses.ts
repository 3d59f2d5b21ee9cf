/**
 * Who lets a run rest, and for how long (W6 of `create-runs.ts`). Owns the rule; the facts are in the store, so they
 * hold over restarts.
 *
 *   1. What the administrator paused the user cannot set going; what the administrator let go on the user cannot pause.
 *   2. The user's pauses of a run end with the time that its deployment gives him, all of them together. It counts from
 *      his wish, also while the device is off.
 *   3. The site hears of the user's pauses, in the transaction that begins or ends them.
 */
import { type DeploymentId, failed, ok, problem, type Result, type RunId, type RunProgress } from '@sluice/protocol'
import type { Log } from '../log.ts'
import type { Outbox } from '../report/outbox.ts'
import type { State } from '../state/state.ts'
import type { RunOrders } from './run-orders.ts'
import type { RunRecord, RunStore } from './run-store.ts'
import type { PausedBy } from './runs.ts'

export interface Pauses {
  /** Who lets it rest now, and what the user has left for that, in milliseconds. Ends a pause whose time is over. */
  now(record: RunRecord): { by: PausedBy | undefined; leftMs: number; mayUser: boolean }
  /** What people see of it. */
  shown(record: RunRecord): Pick<RunProgress, 'pausedBy' | 'pausedUntil' | 'userPauseLeftMs'>
  /** `NOT_FOUND` when it is not this deployment's run that goes on, `PAUSE_NOT_ALLOWED` */
  byUser(record: RunRecord | undefined, id: DeploymentId, paused: boolean): Result<undefined>
  /** As policy has it. */
  byAdministrator(runId: RunId, order: { paused: boolean; resumed: boolean }): void
}

/** @param options.onChanged told after a change is durable */
export function createPauses(options: {
  store: Pick<RunStore, 'pause' | 'setPaused' | 'endPause' | 'forbidPause' | 'active'>
  state: Pick<State, 'transaction'>
  outbox: Pick<Outbox, 'enqueue'>
  orders: Pick<RunOrders, 'tell'>
  now: () => number
  log: Log
  onChanged(): void
}): Pauses {
  const { store, state, outbox, orders, now, log, onChanged } = options

  function change(runId: RunId, by: PausedBy, paused: boolean): void {
    const changed = state.transaction(() => {
      const userPauses = store.pause(runId, now()).by === 'user'
      if (!(paused ? store.setPaused : store.endPause)(runId, by, now())) return false
      if (by === 'user' || (paused && userPauses)) sayOfUser(runId, by === 'user' && paused) // 3.
      return true
    })
    if (!changed) return
    log.info(paused ? 'the run is paused' : 'the run goes on', { runId, by })
    onChanged()
    orders.tell()
  }

  function sayOfUser(runId: RunId, paused: boolean): void {
    const record = store.active()
    if (record?.runId !== runId) return
    const { deployment } = record.accepted
    const { byUserMs } = store.pause(runId, now())
    const until = new Date(now() + Math.max(0, deployment.settings.userPauseMs - byUserMs)).toISOString()
    const run = { runId, deploymentId: deployment.id }
    outbox.enqueue(paused ? { kind: 'runPaused', ...run, until } : { kind: 'runResumed', ...run })
  }

  function present({ runId, accepted }: RunRecord): ReturnType<Pauses['now']> {
    const { by, byUserMs, userMayNot } = store.pause(runId, now())
    const { userPauseMs } = accepted.deployment.settings
    const leftMs = Math.max(0, userPauseMs - byUserMs)
    const mayUser = !userMayNot && userPauseMs > 0
    if (by !== 'user' || (leftMs > 0 && mayUser)) return { by, leftMs, mayUser }
    change(runId, 'user', false) // 2.
    return { by: undefined, leftMs, mayUser }
  }

  return {
    now: present,
    shown(record) {
      const { by, leftMs, mayUser } = present(record)
      return {
        pausedBy: by,
        pausedUntil: by === 'user' ? new Date(now() + leftMs).toISOString() : undefined,
        userPauseLeftMs: mayUser ? leftMs : undefined,
      }
    },
    byUser(record, id, paused) {
      if (record?.accepted.deployment.id !== id) return failed(problem('NOT_FOUND', `No run of ${id} goes on.`))
      const { by, leftMs, mayUser } = present(record)
      if (by === 'administrator' || (paused && (!mayUser || leftMs === 0)))
        // 1.
        return failed(problem('PAUSE_NOT_ALLOWED', `Run ${record.runId}, ${Math.round(leftMs / 1000)} s are left.`))
      change(record.runId, 'user', paused)
      return ok(undefined)
    },
    byAdministrator(runId, { paused, resumed }) {
      change(runId, 'administrator', paused)
      if (!resumed) return
      store.forbidPause(runId) // 1.
      change(runId, 'user', false)
      onChanged()
    },
  }
}
