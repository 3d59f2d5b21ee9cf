/**
 * Brings the objects of one content from the library to a cloud distribution point.
 *
 * Owns: the bytes on their way, and the table of what lies there. Does not own: how storage is spoken to
 * (the content package).
 *
 *   W2. An object counts as there after the storage took it with the right hash, or it was read
 *       back and had it. Work that broke off goes on with the objects that are missing.
 */
import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import type { Store } from '@sluice/content'
import type { CloudStore } from '@sluice/content/stores'
import { type CloudPointId, ProblemError, problem, type StoredObject } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { Lease } from '../db/lease.ts'
import type { Log } from '../log.ts'
import { lockLibrary } from './condemned.ts'
import { deleteConfirmed } from './confirmed-delete.ts'
import type { PointOrder } from './point-orders.ts'
import { several } from './several.ts'

const OBJECTS_AT_ONCE = 3
const PROGRESS_MS = 500
/** An object that is just being removed is gone soon. */
const REMOVING_RETRY_MS = 5_000

export interface Upload {
  order: PointOrder
  lease: Lease
  cloud: CloudStore
  signal: AbortSignal
  /** Now and then, with the bytes that lie there. Never rejects. */
  onProgress: (presentBytes: number) => Promise<void>
}

/** @throws ProblemError */
export async function upload(
  { db, store, clock, log }: { db: Kysely<Database>; store: Store; clock: Clock; log: Log },
  { order, lease, cloud, signal, onProgress }: Upload,
): Promise<void> {
  const { objects, known } = await objectsOf(db, order)
  const isThere = (object: StoredObject) => {
    const at = known.get(keyOf(object))
    return at !== undefined && at.state === 'present' && at.verifiedAt >= (order.verify_since ?? 0)
  }
  const lacking = objects.filter((object) => !isThere(object))
  let doneBytes = objects.reduce((sum, object) => sum + (isThere(object) ? object.sizeBytes : 0), 0)
  let written = -1
  let writing: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    writing = writing.then(async () => {
      const bytes = Math.min(doneBytes, order.total_bytes)
      if (bytes === written) return
      written = bytes
      await onProgress(bytes)
    })
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
      const mended = await bring({ db, store, cloud, lease, signal }, object, at !== undefined, (bytes) => {
        doneBytes += bytes
        counted += bytes
      })
      if (mended)
        log.warn('an object at a distribution point was damaged or gone, and is mended', {
          ...{ object: keyOf(object), pointId: order.point_id, packageId: order.package_id },
        })
      doneBytes += object.sizeBytes - counted
      await note({ db, clock }, order.point_id, object, lease)
    })
  } finally {
    clearInterval(timer)
    await writing
  }
}

/**
 * Stores objects at a point beside what its orders are about. One that is just being removed there is left
 * out (W4). @throws ProblemError
 */
export async function uploadBeside(
  { db, store, clock }: { db: Kysely<Database>; store: Store; clock: Clock },
  at: {
    pointId: CloudPointId
    objects: readonly StoredObject[]
    lease: Lease
    cloud: CloudStore
    signal: AbortSignal
  },
): Promise<void> {
  const { pointId, objects, lease, cloud, signal } = at
  await several(objects, OBJECTS_AT_ONCE, signal, async (object) => {
    const known = await db
      .selectFrom('point_objects')
      .select('hash')
      .where('point_id', '=', pointId)
      .where('kind', '=', object.kind)
      .where('hash', '=', object.hash)
      .executeTakeFirst()
    if (known !== undefined) return
    await bring({ db, store, cloud, lease, signal }, object, false, () => {})
    await note({ db, clock }, pointId, object, lease)
  })
}

/** W1, W2 */
async function note(
  { db, clock }: { db: Kysely<Database>; clock: Clock },
  pointId: CloudPointId,
  object: StoredObject,
  lease: Lease,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lease.confirm(trx)
    await trx
      .insertInto('point_objects')
      .values({
        ...{ point_id: pointId, kind: object.kind, hash: object.hash, size_bytes: object.sizeBytes },
        ...{ state: 'present', verified_at: clock.now() },
      })
      .onConflict((conflict) =>
        conflict.columns(['point_id', 'kind', 'hash']).doUpdateSet({ verified_at: clock.now() }),
      )
      .execute()
  })
}

/** W2. @param known it was there before: then it is read and hashed. @returns whether it had to be mended */
async function bring(
  at: { db: Kysely<Database>; store: Store; cloud: CloudStore; lease: Lease; signal: AbortSignal },
  object: StoredObject,
  known: boolean,
  count: (bytes: number) => void,
): Promise<boolean> {
  const { store, cloud, signal } = at
  if (known && (await isRight(cloud, object, signal))) return false
  if (known) await deleteConfirmed(at, object)
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
    await deleteConfirmed(at, object)
    throw new ProblemError(problem('CONTENT_CORRUPT', `The ${object.kind} ${object.hash} lay there with other bytes.`))
  }
  return known
}

/** Behind the lock of whoever marks what may go there (W4): a mark that did not see the order is seen here. */
async function objectsOf(db: Kysely<Database>, { point_id, content_id }: PointOrder) {
  const rows = await db.transaction().execute(async (trx) => {
    await lockLibrary(trx)
    return await trx
      .selectFrom('version_objects as object')
      .leftJoin('point_objects as there', (join) =>
        join
          .onRef('there.kind', '=', 'object.kind')
          .onRef('there.hash', '=', 'object.hash')
          .on('there.point_id', '=', point_id),
      )
      .select(['object.kind', 'object.hash', 'object.size_bytes', 'there.state', 'there.verified_at'])
      .where('content_id', '=', content_id)
      .execute()
  })
  const known = new Map(
    rows.flatMap(
      ({ kind, hash, state, verified_at }): [string, { state: 'present' | 'removing'; verifiedAt: number }][] =>
        state === null || verified_at === null ? [] : [[`${kind}/${hash}`, { state, verifiedAt: verified_at }]],
    ),
  )
  return { objects: rows.map(({ kind, hash, size_bytes }) => ({ kind, hash, sizeBytes: size_bytes })), known }
}

const keyOf = ({ kind, hash }: StoredObject) => `${kind}/${hash}`

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
