/**
 * Who does the work at cloud distribution points, and when.
 *
 * Owns: the loop, and what runs in this process. Does not own: the orders (`point-orders.ts`), the bytes
 * (`point-upload.ts`, `point-removal.ts`), what shall lie there (`distributions.ts`), who may read
 * (`cloud-points.ts`).
 */
import type { Store } from '@sluice/content'
import { type PackageId, ProblemError, problem } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { type Lease, takeLease } from '../db/lease.ts'
import { isPostgres } from '../db/types.ts'
import type { Log } from '../log.ts'
import type { CloudPoints } from './cloud-points.ts'
import { createPointOrders, orderName, type PointOrder } from './point-orders.ts'
import { removeFromPoints } from './point-removal.ts'
import { upload } from './point-upload.ts'

/** How often a process looks for work that others left, and for what is to be removed. */
const LOOK_MS = 5_000
const SWEEP_MS = 60_000
const ORDERS_AT_ONCE = 2

export interface PointWork {
  /** Takes away what may go. @returns when it is gone, or another process does it */
  sweep(): Promise<void>
  /** Something may be to do. @param what `sweep`: something may be to remove */
  wake(what?: 'sweep'): void
  start(): Promise<void>
  /** Breaks off what runs; it goes on at the next start. */
  stop(): Promise<void>
}

/**
 * @param options.owner names this process
 * @param options.onChanged after a point holds other contents than before
 * @param options.onArrived after a package is whole at one
 */
export function createPointWork(options: {
  db: Kysely<Database>
  store: Store
  points: Pick<CloudPoints, 'open'>
  clock: Clock
  log: Log
  owner: string
  onChanged: () => void
  onArrived?: ((id: PackageId) => void) | undefined
}): PointWork {
  const { db, clock, log, owner, points, onChanged } = options
  const orders = createPointOrders(options)
  const stopped = new AbortController()
  const running = new Map<string, Promise<void>>()
  let wake = () => {}
  let sweptAt = Number.NEGATIVE_INFINITY
  let loop: Promise<void> = Promise.resolve()

  /** Starts what is due and nobody does. */
  async function startDue(): Promise<void> {
    for (const order of await orders.due()) {
      const name = `distribute/${order.package_id}/${order.point_id}/${order.version}`
      if (stopped.signal.aborted || running.size >= ORDERS_AT_ONCE) return
      if (running.has(name)) continue
      const lease = await takeLease({ db, clock, name, owner })
      if (lease === undefined) continue
      const work = perform(order, lease)
        .catch((error: unknown) => log.error('work at a distribution point failed', { work: name, error }))
        .finally(async () => {
          await lease.release().catch(() => undefined)
          running.delete(name)
          wake()
        })
      running.set(name, work)
    }
  }

  async function perform(before: PointOrder, lease: Lease): Promise<void> {
    // Others may have worked on it since we looked (W1).
    const order = await orders.take(before, lease)
    if (order === undefined) return
    const changed = new AbortController()
    const signal = AbortSignal.any([stopped.signal, lease.signal, changed.signal])
    const onProgress = async (presentBytes: number) => {
      try {
        if (!(await orders.progress(order, presentBytes))) changed.abort(new Error('the order changed')) // W3
      } catch (error) {
        log.warn('progress could not be kept', { error })
      }
    }
    try {
      const cloud = await points.open(order.point_id)
      await upload(options, { order, lease, cloud, signal, onProgress })
      await orders.finish(order, lease)
      log.info('content is at a distribution point', orderName(order))
      // A gateway that uses this point may now let go of it.
      sweptAt = Number.NEGATIVE_INFINITY
      // Gateways hear of it first: whom the devices ask must know.
      onChanged()
      options.onArrived?.(order.package_id)
    } catch (error) {
      if (stopped.signal.aborted || lease.signal.aborted || changed.signal.aborted) return
      if (!(error instanceof ProblemError)) log.error('upload failed', { ...orderName(order), error })
      const reason =
        error instanceof ProblemError ? error.problem : problem('INTERNAL', 'The log of the site says more.')
      await orders.giveUp(order, lease, reason)
    }
  }

  const sweep = () => removeFromPoints(options, stopped.signal)

  async function workOff(): Promise<void> {
    while (!stopped.signal.aborted) {
      let timer: NodeJS.Timeout | undefined
      const woken = new Promise<void>((resolve) => {
        wake = resolve
        timer = setTimeout(resolve, LOOK_MS)
      })
      try {
        await startDue()
        if (performance.now() - sweptAt >= SWEEP_MS) {
          sweptAt = performance.now()
          await sweep()
        }
      } catch (error) {
        log.error('work at distribution points failed', { error })
      }
      await woken
      clearTimeout(timer)
    }
    await Promise.all(running.values())
  }

  return {
    sweep,
    wake(what) {
      if (what === 'sweep') sweptAt = Number.NEGATIVE_INFINITY
      wake()
    },
    async start() {
      // A data folder has one process: whoever held these is dead.
      if (!isPostgres(db)) await db.deleteFrom('leases').execute()
      loop = workOff()
    },
    async stop() {
      stopped.abort(new Error('the site ends'))
      wake()
      await loop
    },
  }
}
