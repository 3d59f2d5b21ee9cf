/**
 * Rewrites packs of which less than half is needed any more (design §4.4): weighs, copies what lives into new
 * packs, writes the layouts of the versions concerned, and sends them on their way (`moves.ts`). The packs that
 * nothing refers to afterwards are condemned like any other.
 *
 *   W1. Called only by who holds the lease of the collection, so it runs once at a time and never while
 *       something is deleted.
 *   W2. What was copied stands in the index as `rewritten`. Work that broke off, or stopped after `COPY_BYTES`,
 *       goes on there.
 *   W3. A pack is left alone while a version that lies in it is on its way, or deleted and not gone yet.
 *   W4. A rewritten pack is out of the index at once: no new import begins to refer to it. One that found it
 *       before still may; then the pack stays, and is weighed again some day.
 *   W5. Memory holds the root of one version at a time, and names of the others.
 */
import {
  copyLiveChunks,
  countLiveFrames,
  createHands,
  createPackWriter,
  type LiveFrames,
  type Moved,
  moveVersion,
  SMALL_LEVEL,
  type Store,
  type StoredVersion,
} from '@sluice/content'
import { CloudPointId, type ContentId, type Sha256, type StoredObject } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Lease } from '../../db/lease.ts'
import type { Log } from '../../log.ts'
import { createChunkIndex } from '../chunk-index.ts'
import { batches, countCondemned, lockLibrary } from '../condemned.ts'
import { advanceMoves, allMoves, beginMove, moveProgress, objectsLackingAt } from './moves.ts'

/** Weighed and rewritten together; each has some 500 frames at most. */
const PACKS_AT_ONCE = 1_000
/** Plain bytes copied in one round; the next one goes on. */
const COPY_BYTES = 1024 * 1024 * 1024
const DAY_MS = 24 * 3600_000
/** Each has up to 16,384 chunks. */
const PACKS_A_TRANSACTION = 10

export interface RewriteReport {
  /** Packs that versions began to leave now, and what they come to. */
  rewrittenPacks: number
  rewrittenBytes: number
  /** Plain bytes that were copied into new packs now. */
  copiedBytes: number
  /** Versions that are on their way to other packs. */
  movingVersions: number
  /** Points that are waited for. */
  latePoints: string[]
}

export interface Rewriter {
  /** Does what can be done now (W1). */
  round(lease: Lease, signal: AbortSignal): Promise<RewriteReport>
  /** Whether the next round has something to do before packs are weighed again. */
  isUnderWay(): Promise<boolean>
}

interface Leaving {
  version: StoredVersion
  packageKey: Uint8Array
}

export function createRewriter(options: {
  db: Kysely<Database>
  store: Store
  clock: Clock
  log: Log
  stagingFolder: string
  randomBytes: (sizeBytes: number) => Uint8Array
  /** Stores objects at a cloud distribution point beside what lies there. */
  bring(at: {
    pointId: CloudPointId
    objects: readonly StoredObject[]
    lease: Lease
    signal: AbortSignal
  }): Promise<void>
  /** Gateways shall read their lists again. */
  onChanged(): void
}): Rewriter {
  const { db, store, clock, log, onChanged } = options
  const index = createChunkIndex({ db, clock, rewritten: true })
  let more = false

  /** W3 */
  async function candidates(): Promise<Map<Sha256, number>> {
    const rows = await db
      .selectFrom('packs')
      .select(['hash', 'size_bytes'])
      .where('created_at', '<', clock.now() - DAY_MS)
      .where((eb) => eb.or([eb('live_bytes', 'is', null), eb(eb('live_bytes', '*', 2), '<', eb.ref('size_bytes'))]))
      .where((eb) =>
        eb.exists(
          eb.selectFrom('version_objects as object').select('object.hash').whereRef('object.hash', '=', 'packs.hash'),
        ),
      )
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('version_objects as object')
              .innerJoin('package_versions as version', 'version.content_id', 'object.content_id')
              .leftJoin('layout_moves as move', 'move.content_id', 'object.content_id')
              .select('object.hash')
              .whereRef('object.hash', '=', 'packs.hash')
              .where((or) => or.or([or('deleted_at', 'is not', null), or('move.content_id', 'is not', null)])),
          ),
        ),
      )
      .orderBy('number')
      .limit(PACKS_AT_ONCE)
      .execute()
    return new Map(rows.map(({ hash, size_bytes }) => [hash, size_bytes]))
  }

  /** Versions that lie in one of the packs, newest first: what they have goes into new packs in their order. */
  async function versionsIn(packs: readonly Sha256[]): Promise<ContentId[]> {
    const found = new Set<ContentId>()
    for (const some of batches(packs)) {
      const rows = await db
        .selectFrom('package_versions as version')
        .select('content_id')
        .where('content_id', 'in', (eb) =>
          eb.selectFrom('version_objects').select('content_id').where('hash', 'in', some),
        )
        .orderBy('package_id')
        .orderBy('version.version', 'desc')
        .execute()
      for (const { content_id } of rows) found.add(content_id)
    }
    return [...found]
  }

  /** W5. They are as they are now; one that went meanwhile is left out. */
  async function* opened(versions: readonly ContentId[]): AsyncGenerator<Leaving> {
    for (const contentId of versions) {
      const row = await db
        .selectFrom('package_versions as version')
        .innerJoin('packages', 'packages.id', 'version.package_id')
        .select(['root', 'layout_hash', 'layout_bytes', 'package_key'])
        .where('content_id', '=', contentId)
        .executeTakeFirst()
      if (row === undefined) continue
      const layout = { hash: row.layout_hash, sizeBytes: row.layout_bytes }
      yield { version: { contentId, root: row.root, layout }, packageKey: row.package_key }
    }
  }

  /** Counts what lives in packs; gives those of which it is less than half. */
  async function weigh(packs: Map<Sha256, number>, versions: ContentId[], signal: AbortSignal): Promise<Set<Sha256>> {
    const live: LiveFrames = new Map([...packs.keys()].map((hash) => [hash, new Map()]))
    const seen = new Set<Sha256>()
    for await (const { version, packageKey } of opened(versions))
      await countLiveFrames({ store, packageKey, signal }, version, live, seen)
    const half = new Set<Sha256>()
    for (const some of batches([...live]))
      await db.transaction().execute(async (trx) => {
        for (const [hash, frames] of some) {
          const liveBytes = [...frames.values()].reduce((sum, bytes) => sum + bytes, 0)
          if (liveBytes * 2 < (packs.get(hash) ?? 0)) half.add(hash)
          await trx.updateTable('packs').set({ live_bytes: liveBytes }).where('hash', '=', hash).execute()
        }
      })
    return half
  }

  /** W2 */
  async function copy(from: Set<Sha256>, versions: ContentId[], moved: Moved, signal: AbortSignal): Promise<number> {
    const hands = createHands(1)
    const writer = createPackWriter({ ...options, index, hands, level: SMALL_LEVEL, signal })
    let copiedBytes = 0
    try {
      for await (const { version, packageKey } of opened(versions)) {
        const maxBytes = COPY_BYTES - copiedBytes
        if (maxBytes <= 0) break
        copiedBytes += await copyLiveChunks({ store, packageKey, signal }, version, { from, moved, writer, maxBytes })
      }
      await writer.finish()
      return copiedBytes
    } finally {
      await hands.letGo()
      await writer.abandon()
    }
  }

  /** W4 */
  async function leaveIndex(packs: readonly Sha256[], lease: Lease): Promise<void> {
    for (let i = 0; i < packs.length; i += PACKS_A_TRANSACTION)
      await db.transaction().execute(async (trx) => {
        await lockLibrary(trx)
        await lease.confirm(trx)
        const some = packs.slice(i, i + PACKS_A_TRANSACTION)
        await countCondemned(trx, some.length)
        await trx
          .deleteFrom('chunks')
          .where('pack', 'in', (eb) => eb.selectFrom('packs').select('number').where('hash', 'in', some))
          .execute()
      })
  }

  async function rewrite(lease: Lease, signal: AbortSignal) {
    const none = { rewrittenPacks: 0, rewrittenBytes: 0, copiedBytes: 0 }
    more = false
    const packs = await candidates()
    if (packs.size === 0) return none
    more = packs.size === PACKS_AT_ONCE
    const from = await weigh(packs, await versionsIn([...packs.keys()]), signal)
    if (from.size === 0) return none
    const versions = await versionsIn([...from])
    const moved: Moved = (ids) => index.moved(ids, from)
    const copiedBytes = await copy(from, versions, moved, signal)
    if (copiedBytes >= COPY_BYTES) {
      more = true
      return { ...none, copiedBytes }
    }
    for await (const { version, packageKey } of opened(versions)) {
      const next = await moveVersion({ store, packageKey, signal }, version, { from, moved, packs: index.packs })
      await db.transaction().execute(async (trx) => {
        await lease.confirm(trx)
        await beginMove(trx, version.contentId, version.layout.hash, next, clock.now())
      })
    }
    await leaveIndex([...from], lease)
    const rewrittenBytes = [...from].reduce((sum, hash) => sum + (packs.get(hash) ?? 0), 0)
    log.info('packs rewritten', { packs: from.size, versions: versions.length, rewrittenBytes, copiedBytes })
    onChanged()
    return { rewrittenPacks: from.size, rewrittenBytes, copiedBytes }
  }

  /** What next objects lack at cloud distribution points; a gateway pulls them itself. */
  async function bringToClouds(lease: Lease, signal: AbortSignal): Promise<void> {
    for (const { content_id } of await allMoves(db)) {
      const rows = await db
        .selectFrom('distributions')
        .select('point_id')
        .where('content_id', '=', content_id)
        .where('state', '=', 'installed')
        .where('superseded_at', 'is', null)
        .where('point_id', 'in', (eb) => eb.selectFrom('cloud_points').select('id'))
        .execute()
      for (const { point_id } of rows) {
        const pointId = CloudPointId.parse(point_id)
        try {
          const objects = await objectsLackingAt(db, content_id, pointId)
          await options.bring({ pointId, objects, lease, signal })
        } catch (error) {
          signal.throwIfAborted()
          log.warn('rewritten packs could not be stored', { pointId, contentId: content_id, error })
        }
      }
    }
  }

  async function advance(): Promise<void> {
    if (await advanceMoves(db, clock)) onChanged()
  }

  return {
    async round(lease, stopped) {
      const signal = AbortSignal.any([stopped, lease.signal])
      await advance()
      const done = await rewrite(lease, signal)
      await bringToClouds(lease, signal)
      await advance()
      const { versions, points } = await moveProgress(db)
      return { ...done, movingVersions: versions, latePoints: points }
    },
    isUnderWay: async () => more || (await allMoves(db)).length > 0,
  }
}
