/**
 * The collection of garbage: what nothing refers to is condemned, and deleted from the library 48 hours
 * later. Distribution points let go of objects by themselves, as soon as nothing that shall lie there
 * needs them (`point-work.ts`, the gateway's keeper).
 *
 *   K1. One process collects at a time, by a lease that is confirmed before anything is deleted, and again
 *       after a pause: a process that was away may find that another has deleted since, and that an import
 *       has stored a page again.
 *   K2. A pack is condemned in one transaction when no version refers to it, and never one that an import
 *       under way may have written: it is older than every import that is not done, and than a day.
 *   K3. Deleting is: mark, delete, forget. What broke off after the mark is done at the next look; until
 *       then no import begins (`condemned.ts`, G4).
 *   K4. Objects of the store that no row knows (an import was killed between store and database) are
 *       condemned as well.
 */
import type { Store } from '@sluice/content'
import type { CollectionReport, StoredObject } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { type Lease, takeLease } from '../db/lease.ts'
import type { Log } from '../log.ts'
import { batches, countCondemned, isImporting, lockLibrary, referredTo } from './condemned.ts'
import { purgeVersions } from './deletion.ts'
import type { Rewriter } from './rewriting/rewriter.ts'

export const CONDEMNED_MS = 48 * 3600_000
const DAY_MS = 24 * 3600_000
const LOOK_MS = 60_000
/** In one transaction; each has up to 16,384 chunks. */
const PACKS_AT_ONCE = 10
const OBJECTS_AT_ONCE = 500
/** Together shorter than the lease holds (K1). */
const CONFIRM_MS = 5_000
const DELETE_MS = 30_000

export interface Collector {
  /** Collects now. Undefined when another process does. */
  collect(): Promise<CollectionReport | undefined>
  start(): void
  stop(): Promise<void>
}

/** @param options.owner names this process */
export function createCollector(options: {
  db: Kysely<Database>
  store: Store
  clock: Clock
  log: Log
  owner: string
  /** Takes away from distribution points what may go; versions wait for that. */
  sweepPoints(): Promise<void>
  rewriter: Rewriter
}): Collector {
  const { db, store, clock, log, owner, rewriter } = options
  const stopped = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let work: Promise<unknown> = Promise.resolve()
  let collectedAt: number | undefined

  /** K2 */
  async function condemnPacks(): Promise<number> {
    for (let condemned = 0; ; ) {
      stopped.signal.throwIfAborted()
      const some = await db.transaction().execute(async (trx) => {
        await lockLibrary(trx)
        const { first } = await trx
          .selectFrom('jobs')
          .select((eb) => eb.fn.min('created_at').as('first'))
          .where('state', 'in', ['waiting', 'running'])
          .executeTakeFirstOrThrow()
        const now = clock.now()
        const packs = await trx
          .selectFrom('packs')
          .select(['number', 'hash', 'size_bytes'])
          .where('created_at', '<', Math.min(now - DAY_MS, Number(first ?? now)))
          .where((eb) =>
            eb.not(
              eb.exists(
                eb
                  .selectFrom('version_objects')
                  .select('content_id')
                  .whereRef('version_objects.hash', '=', 'packs.hash'),
              ),
            ),
          )
          .where((eb) =>
            eb.not(
              eb.exists(
                eb.selectFrom('next_objects').select('content_id').whereRef('next_objects.hash', '=', 'packs.hash'),
              ),
            ),
          )
          .limit(PACKS_AT_ONCE)
          .execute()
        if (packs.length === 0) return 0
        const numbers = packs.map(({ number }) => number)
        await countCondemned(trx, packs.length)
        await trx.deleteFrom('chunks').where('pack', 'in', numbers).execute()
        await trx.deleteFrom('packs').where('number', 'in', numbers).execute()
        await trx
          .insertInto('condemned_objects')
          .values(
            packs.map(({ hash, size_bytes }) => ({
              ...{ kind: 'pack', hash, size_bytes },
              ...{ condemned_at: now, state: 'condemned' },
            })),
          )
          .onConflict((conflict) => conflict.doNothing())
          .execute()
        return packs.length
      })
      if (some === 0) return condemned
      condemned += some
    }
  }

  /** K4 */
  async function condemnUnknown(): Promise<number> {
    let condemned = 0
    for (const kind of ['page', 'pack'] as const) {
      let some: StoredObject[] = []
      const look = async () => {
        const objects = some
        some = []
        if (objects.length > 0) condemned += await condemnWhatNoRowKnows(kind, objects)
      }
      for await (const object of store.list(kind)) {
        stopped.signal.throwIfAborted()
        some.push(object)
        if (some.length >= OBJECTS_AT_ONCE) await look()
      }
      await look()
    }
    return condemned
  }

  async function condemnWhatNoRowKnows(kind: StoredObject['kind'], objects: StoredObject[]): Promise<number> {
    return await db.transaction().execute(async (trx) => {
      await lockLibrary(trx)
      const hashes = objects.map(({ hash }) => hash)
      const known = await referredTo(trx, kind, hashes)
      const listed = await trx.selectFrom('condemned_objects').select('hash').where('hash', 'in', hashes).execute()
      for (const { hash } of listed) known.add(hash)
      const unknown = objects.filter(({ hash }) => !known.has(hash))
      if (unknown.length === 0) return 0
      await trx
        .insertInto('condemned_objects')
        .values(
          unknown.map(({ hash, sizeBytes }) => ({
            ...{ kind, hash, size_bytes: sizeBytes },
            ...{ condemned_at: clock.now(), state: 'condemned' },
          })),
        )
        .execute()
      return unknown.length
    })
  }

  /** Marks what has been condemned long enough; false when there is nothing, or an import runs. */
  async function mark(): Promise<boolean> {
    return await db.transaction().execute(async (trx) => {
      await lockLibrary(trx)
      if (await isImporting(trx)) return false
      const due = await trx
        .selectFrom('condemned_objects')
        .select(['kind', 'hash'])
        .where('state', '=', 'condemned')
        .where('condemned_at', '<=', clock.now() - CONDEMNED_MS)
        .limit(OBJECTS_AT_ONCE)
        .execute()
      for (const kind of ['page', 'pack'] as const) {
        const hashes = due.flatMap((one) => (one.kind === kind ? [one.hash] : []))
        if (hashes.length === 0) continue
        // An import that was under way when K4 looked has made them its own since.
        const used = [...(await referredTo(trx, kind, hashes))]
        if (used.length > 0)
          await trx.deleteFrom('condemned_objects').where('kind', '=', kind).where('hash', 'in', used).execute()
        await trx
          .updateTable('condemned_objects')
          .set({ state: 'deleting' })
          .where('kind', '=', kind)
          .where('hash', 'in', hashes)
          .execute()
      }
      return due.length > 0
    })
  }

  /** K3: deletes what is marked. */
  async function sweep(lease: Lease): Promise<{ objects: number; bytes: number }> {
    const gone = { objects: 0, bytes: 0 }
    const marked = await db
      .selectFrom('condemned_objects')
      .select(['kind', 'hash', 'size_bytes'])
      .where('state', '=', 'deleting')
      .execute()
    for (const some of batches(marked)) {
      let confirmedAt: number | undefined
      for (const { kind, hash } of some) {
        stopped.signal.throwIfAborted()
        lease.signal.throwIfAborted()
        if (confirmedAt === undefined || Math.abs(clock.now() - confirmedAt) > CONFIRM_MS) {
          await db.transaction().execute((trx) => lease.confirm(trx)) // K1
          confirmedAt = clock.now()
        }
        await store.delete(
          { kind, hash },
          AbortSignal.any([stopped.signal, lease.signal, AbortSignal.timeout(DELETE_MS)]),
        )
      }
      await db.transaction().execute(async (trx) => {
        await lease.confirm(trx)
        for (const { kind, hash, size_bytes } of some) {
          await trx.deleteFrom('condemned_objects').where('kind', '=', kind).where('hash', '=', hash).execute()
          gone.objects++
          gone.bytes += size_bytes
        }
      })
    }
    return gone
  }

  async function withLease<T>(body: (lease: Lease) => Promise<T>): Promise<T | undefined> {
    const lease = await takeLease({ db, clock, name: 'collect', owner })
    if (lease === undefined) return undefined
    try {
      return await body(lease)
    } finally {
      await lease.release()
    }
  }

  const collect = () =>
    withLease(async (lease): Promise<CollectionReport> => {
      collectedAt = clock.now()
      const deleted = await sweep(lease)
      while (await mark()) {
        const { objects, bytes } = await sweep(lease)
        deleted.objects += objects
        deleted.bytes += bytes
      }
      await options.sweepPoints()
      const versions = await purgeVersions(db, clock)
      const rewritten = await rewriter.round(lease, stopped.signal)
      const condemned = (await condemnPacks()) + (await condemnUnknown())
      const waiting = await db
        .selectFrom('condemned_objects')
        .select((eb) => [eb.fn.countAll<number | string>().as('objects'), eb.fn.sum('size_bytes').as('bytes')])
        .executeTakeFirstOrThrow()
      const report = {
        ...{ versions, condemnedObjects: condemned, deletedObjects: deleted.objects, deletedBytes: deleted.bytes },
        ...rewritten,
        ...{ waitingObjects: Number(waiting.objects), waitingBytes: Number(waiting.bytes ?? 0) },
      }
      log.info('garbage collected', { ...report })
      return report
    })

  async function look(): Promise<void> {
    const due = collectedAt === undefined || clock.now() - collectedAt >= DAY_MS
    if (due) {
      await collect()
      return
    }
    const left = await db
      .selectFrom('condemned_objects')
      .select('hash')
      .where('state', '=', 'deleting')
      .executeTakeFirst()
    if (left !== undefined) await withLease(sweep)
    if (await rewriter.isUnderWay()) await withLease((lease) => rewriter.round(lease, stopped.signal))
  }

  return {
    collect,
    start() {
      const next = () => {
        timer = setTimeout(() => {
          work = look()
            .catch((error: unknown) => {
              if (!stopped.signal.aborted) log.error('the collection of garbage failed', { error })
            })
            .finally(() => {
              if (!stopped.signal.aborted) next()
            })
        }, LOOK_MS)
        timer.unref()
      }
      next()
    },
    async stop() {
      stopped.abort(new Error('the site ends'))
      clearTimeout(timer)
      await work
    },
  }
}
