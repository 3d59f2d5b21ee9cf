/**
 * The work at cloud distribution points: uploading, verifying, removing.
 *
 * Owns: the bytes on their way from the content library to the storage, and the table of what lies
 * there. Does not own: what shall lie there (`distributions.ts`), how storage is spoken to (the
 * content package), who may read (`cloud-points.ts`).
 *
 *   W1. One process works on a row at a time, by a lease; what it writes down it confirms with it.
 *   W2. An object counts as there after the storage took it with the right hash, or it was read
 *       back and had it. Work that broke off goes on with the objects that are missing.
 *   W3. A row whose order changed meanwhile is not finished by who began with the old one.
 *   W4. An object is removed when no row of its point needs it; from the mark on nobody counts on
 *       it, and it is stored again only after it is gone.
 */
import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import type { Store } from '@sluice/content'
import type { CloudStore } from '@sluice/content/stores'
import { type CloudPointId, type Problem, ProblemError, problem, type StoredObject } from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import { type Lease, takeLease } from '../db/lease.ts'
import type { ContentTables } from '../db/schema/content.ts'
import { isPostgres } from '../db/types.ts'
import type { Log } from '../log.ts'
import type { CloudPoints } from './cloud-points.ts'
import { MOST_TRIES, pauseAfter } from './distribution.ts'
import { SUPERSEDED_MS, supersede } from './distributions.ts'
import { neededContents } from './needed.ts'

/** How often a process looks for work that others left, and for what is to be removed. */
const LOOK_MS = 5_000
const SWEEP_MS = 60_000
const ROWS_AT_ONCE = 2
const OBJECTS_AT_ONCE = 3
const PROGRESS_MS = 500
const BATCH = 500
/** An object that is just being removed is gone soon. */
const REMOVING_RETRY_MS = 5_000

type Row = Selectable<ContentTables['distributions']> & { point_id: CloudPointId }

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
 */
export function createPointWork(options: {
  db: Kysely<Database>
  store: Store
  points: Pick<CloudPoints, 'open'>
  clock: Clock
  log: Log
  owner: string
  onChanged: () => void
}): PointWork {
  const { db, store, points, clock, log, owner, onChanged } = options
  const stopped = new AbortController()
  const running = new Map<string, Promise<void>>()
  let wake = () => {}
  let sweptAt = Number.NEGATIVE_INFINITY
  let loop: Promise<void> = Promise.resolve()

  const nameOf = (row: Row) => `distribute/${row.package_id}/${row.point_id}/${row.version}`
  const same = (row: Row) => ({ package_id: row.package_id, point_id: row.point_id, version: row.version }) as const
  /** The row as long as it is what the work began with (W3). */
  const ours = (source: Db, row: Row) =>
    source
      .updateTable('distributions')
      .where('package_id', '=', row.package_id)
      .where('point_id', '=', row.point_id)
      .where('version', '=', row.version)
      .where('state', '=', 'transferring')
      .where((eb) =>
        row.verify_since === null ? eb('verify_since', 'is', null) : eb('verify_since', '=', row.verify_since),
      )

  async function due(): Promise<Row[]> {
    const now = clock.now()
    const rows = await db
      .selectFrom('distributions')
      .selectAll()
      .where('point_id', 'in', (eb) => eb.selectFrom('cloud_points').select('id'))
      .where('state', 'in', ['waiting', 'transferring', 'retrying'])
      .where((eb) => eb.or([eb('next_try_at', 'is', null), eb('next_try_at', '<=', now)]))
      .orderBy('changed_at')
      .limit(50)
      .execute()
    return rows as Row[]
  }

  /** Starts what is due and nobody does. */
  async function startDue(): Promise<void> {
    for (const row of await due()) {
      const name = nameOf(row)
      if (stopped.signal.aborted || running.size >= ROWS_AT_ONCE) return
      if (running.has(name)) continue
      const lease = await takeLease({ db, clock, name, owner })
      if (lease === undefined) continue
      const work = perform(row, lease)
        .catch((error: unknown) => log.error('work at a distribution point failed', { work: name, error }))
        .finally(async () => {
          await lease.release().catch(() => undefined)
          running.delete(name)
          wake()
        })
      running.set(name, work)
    }
  }

  async function perform(before: Row, lease: Lease): Promise<void> {
    // Others may have worked on it since we looked (W1).
    const row = await db.transaction().execute(async (trx) => {
      await lease.confirm(trx)
      const { package_id, point_id, version } = same(before)
      const taken = await trx
        .updateTable('distributions')
        .set({ state: 'transferring', changed_at: clock.now() })
        .where('package_id', '=', package_id)
        .where('point_id', '=', point_id)
        .where('version', '=', version)
        .where('state', 'in', ['waiting', 'transferring', 'retrying'])
        .returningAll()
        .executeTakeFirst()
      return taken as Row | undefined
    })
    if (row === undefined) return
    const changed = new AbortController()
    const signal = AbortSignal.any([stopped.signal, lease.signal, changed.signal])
    try {
      await upload(row, lease, signal, changed)
      await finish(row, lease)
      log.info('content is at a distribution point', { ...same(row) })
      onChanged()
    } catch (error) {
      if (stopped.signal.aborted || lease.signal.aborted || changed.signal.aborted) return
      if (!(error instanceof ProblemError)) log.error('upload failed', { ...same(row), error })
      const reason =
        error instanceof ProblemError ? error.problem : problem('INTERNAL', 'The log of the site says more.')
      await giveUpFor(row, lease, reason)
    }
  }

  async function upload(row: Row, lease: Lease, signal: AbortSignal, changed: AbortController): Promise<void> {
    const cloud = await points.open(row.point_id)
    const { objects, known } = await objectsOf(row)
    const isThere = (object: StoredObject) => {
      const at = known.get(keyOf(object))
      return at !== undefined && at.state === 'present' && at.verifiedAt >= (row.verify_since ?? 0)
    }
    const lacking = objects.filter((object) => !isThere(object))
    let doneBytes = objects.reduce((sum, object) => sum + (isThere(object) ? object.sizeBytes : 0), 0)
    let written = -1
    let writing: Promise<void> = Promise.resolve()
    const report = async () => {
      const bytes = Math.min(doneBytes, row.total_bytes)
      if (bytes === written) return
      written = bytes
      const { numUpdatedRows } = await ours(db, row)
        .set({ present_bytes: bytes, changed_at: clock.now() })
        .executeTakeFirst()
      if (numUpdatedRows === 0n) changed.abort(new Error('the order changed')) // W3
    }
    const timer = setInterval(() => {
      writing = writing.then(report).catch((error: unknown) => log.warn('progress could not be kept', { error }))
    }, PROGRESS_MS)
    try {
      await several(lacking, OBJECTS_AT_ONCE, signal, async (object) => {
        const at = known.get(keyOf(object))
        if (at?.state === 'removing')
          throw new ProblemError(
            problem('BUSY', `The ${object.kind} ${object.hash} is just being removed there.`, {
              retryAfterMs: REMOVING_RETRY_MS,
            }),
          )
        let counted = 0
        await bring(cloud, object, at !== undefined, signal, (bytes) => {
          doneBytes += bytes
          counted += bytes
        })
        doneBytes += object.sizeBytes - counted
        await db.transaction().execute(async (trx) => {
          await lease.confirm(trx) // W1
          await trx
            .insertInto('point_objects')
            .values({
              ...{ point_id: row.point_id, kind: object.kind, hash: object.hash, size_bytes: object.sizeBytes },
              ...{ state: 'present', verified_at: clock.now() },
            })
            .onConflict((conflict) =>
              conflict.columns(['point_id', 'kind', 'hash']).doUpdateSet({ verified_at: clock.now() }),
            )
            .execute()
        })
      })
    } finally {
      clearInterval(timer)
      await writing
    }
  }

  /** W2. @param known it was there before: then it is read and hashed, and mended */
  async function bring(
    cloud: CloudStore,
    object: StoredObject,
    known: boolean,
    signal: AbortSignal,
    count: (bytes: number) => void,
  ): Promise<void> {
    if (known && (await isRight(cloud, object, signal))) return
    if (known) await cloud.delete(object)
    const opened = await store.get(object, undefined, signal)
    if (!opened.ok) throw new ProblemError(opened.problem)
    const counting = new Transform({
      transform(bytes: Buffer, _, done) {
        count(bytes.length)
        done(null, bytes)
      },
    })
    opened.value.body.on('error', (error) => counting.destroy(error))
    const put = await cloud.put(object, opened.value.body.pipe(counting), signal)
    opened.value.body.destroy()
    if (!put.ok) throw new ProblemError(put.problem)
    // Somebody else's, or of a try whose end we never saw: not counted on before it was read.
    if (put.value.existed && !(await isRight(cloud, object, signal))) {
      await cloud.delete(object)
      throw new ProblemError(
        problem('CONTENT_CORRUPT', `The ${object.kind} ${object.hash} lay there with other bytes.`),
      )
    }
  }

  async function objectsOf(row: Row) {
    const rows = await db
      .selectFrom('version_objects as object')
      .leftJoin('point_objects as there', (join) =>
        join
          .onRef('there.kind', '=', 'object.kind')
          .onRef('there.hash', '=', 'object.hash')
          .on('there.point_id', '=', row.point_id),
      )
      .select(['object.kind', 'object.hash', 'object.size_bytes', 'there.state', 'there.verified_at'])
      .where('content_id', '=', row.content_id)
      .execute()
    const known = new Map(
      rows.flatMap(
        ({ kind, hash, state, verified_at }): [string, { state: 'present' | 'removing'; verifiedAt: number }][] =>
          state === null || verified_at === null ? [] : [[`${kind}/${hash}`, { state, verifiedAt: verified_at }]],
      ),
    )
    return { objects: rows.map(({ kind, hash, size_bytes }) => ({ kind, hash, sizeBytes: size_bytes })), known }
  }

  async function finish(row: Row, lease: Lease): Promise<void> {
    await db.transaction().execute(async (trx) => {
      await lease.confirm(trx)
      const { numUpdatedRows } = await ours(trx, row)
        .set({
          ...{ state: 'installed', present_bytes: row.total_bytes, problem: null, next_try_at: null },
          ...{ verify_since: null, changed_at: clock.now() },
        })
        .executeTakeFirst()
      if (numUpdatedRows > 0n) await supersede(trx, row, clock.now())
    })
  }

  async function giveUpFor(row: Row, lease: Lease, reason: Problem): Promise<void> {
    const attempts = row.attempts + 1
    const over = reason.retry === 'never' || attempts >= MOST_TRIES
    const pauseMs = reason.retryAfterMs ?? pauseAfter(attempts)
    await db.transaction().execute(async (trx) => {
      await lease.confirm(trx)
      await ours(trx, row)
        .set({
          ...{ state: over ? 'failed' : 'retrying', attempts, problem: JSON.stringify(reason) },
          ...{ next_try_at: over ? null : clock.now() + pauseMs, changed_at: clock.now() },
        })
        .execute()
    })
    log.warn('upload failed', { ...same(row), attempts, code: reason.code, reason: reason.detail })
  }

  /** Rows that may go (D4), and then the objects that nothing needs any more (W4). */
  async function sweep(): Promise<void> {
    const now = clock.now()
    const needed = await neededContents(db, now)
    await db.deleteFrom('content_leases').where('until', '<=', now).execute()
    const going = await db
      .selectFrom('distributions')
      .select(['package_id', 'point_id', 'version', 'content_id', 'state'])
      .where((eb) => eb.or([eb('state', '=', 'removing'), eb('superseded_at', '<=', now - SUPERSEDED_MS)]))
      .execute()
    let gone = 0
    for (const row of going) {
      if (needed.has(row.content_id)) continue
      const { numDeletedRows } = await db
        .deleteFrom('distributions')
        .where('package_id', '=', row.package_id)
        .where('point_id', '=', row.point_id)
        .where('version', '=', row.version)
        .where('state', '=', row.state)
        .executeTakeFirst()
      gone += Number(numDeletedRows)
    }
    if (gone > 0) onChanged()
    for (const { id } of await db.selectFrom('cloud_points').select('id').execute()) await sweepPoint(id)
  }

  async function sweepPoint(id: CloudPointId): Promise<void> {
    const lease = await takeLease({ db, clock, name: `sweep/${id}`, owner })
    if (lease === undefined) return
    const signal = AbortSignal.any([stopped.signal, lease.signal])
    try {
      await db
        .updateTable('point_objects')
        .set({ state: 'removing' })
        .where('point_id', '=', id)
        .where('state', '=', 'present')
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('distributions')
                .innerJoin('version_objects as object', 'object.content_id', 'distributions.content_id')
                .select('object.hash')
                .where('distributions.point_id', '=', id)
                .whereRef('object.hash', '=', 'point_objects.hash')
                .whereRef('object.kind', '=', 'point_objects.kind'),
            ),
          ),
        )
        .execute()
      const going = await db
        .selectFrom('point_objects')
        .select(['kind', 'hash'])
        .where('point_id', '=', id)
        .where('state', '=', 'removing')
        .limit(BATCH)
        .execute()
      if (going.length === 0) return
      const cloud = await points.open(id)
      await several(going, OBJECTS_AT_ONCE, signal, async ({ kind, hash }) => {
        await cloud.delete({ kind, hash })
        await db.transaction().execute(async (trx) => {
          await lease.confirm(trx)
          await trx
            .deleteFrom('point_objects')
            .where('point_id', '=', id)
            .where('kind', '=', kind)
            .where('hash', '=', hash)
            .where('state', '=', 'removing')
            .execute()
        })
      })
      log.info('objects removed from a distribution point', { pointId: id, objects: going.length })
    } catch (error) {
      if (!signal.aborted) log.warn('objects could not be removed', { pointId: id, reason: reasonOf(error) })
    } finally {
      await lease.release()
    }
  }

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

const keyOf = ({ kind, hash }: StoredObject) => `${kind}/${hash}`

const reasonOf = (error: unknown) =>
  error instanceof ProblemError ? error.problem.detail : error instanceof Error ? error.message : String(error)

/** Reads an object back. One that is not there is not right. */
async function isRight(cloud: CloudStore, object: StoredObject, signal: AbortSignal): Promise<boolean> {
  const opened = await cloud.get(object, undefined, signal)
  if (!opened.ok) {
    if (opened.problem.code === 'PACK_GONE') return false
    throw new ProblemError(opened.problem)
  }
  const hash = createHash('sha256')
  for await (const bytes of opened.value.body) hash.update(bytes as Uint8Array)
  return hash.digest('hex') === object.hash
}

/** Some at a time; the first that fails ends the others that have not begun. */
async function several<T>(
  all: readonly T[],
  atOnce: number,
  signal: AbortSignal,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const queue = all.values()
  let failed = false
  const worker = async () => {
    for (const one of queue) {
      if (failed) return
      signal.throwIfAborted()
      try {
        await work(one)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: Math.min(atOnce, all.length) }, worker))
  for (const one of settled) if (one.status === 'rejected') throw one.reason
}
