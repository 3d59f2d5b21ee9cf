/**
 * Which distribution points shall hold which versions, and how far each is. A gateway says so itself;
 * for a cloud distribution point the site does the work (`point-work.ts`).
 *
 *   D1. A newer version takes the place of an older one only when it is whole at the point; the
 *       older one then stays for a while, for sequences that are running with it (REL-13).
 *   D2. What a gateway says of another version, of an older layout or of what it shall not hold
 *       changes nothing.
 *   D3. To distribute again what is there is the order to verify it. The order is the time at which
 *       the row began to wait; until the gateway names it in a report, the row waits, so what was
 *       said before the order does not answer it. For a cloud point the order is `verify_since`.
 *   D4. What shall go from a point counts for nobody any more, but stays while a device may still fetch
 *       it; then its row goes, and after it the objects that nothing else there needs.
 */
import {
  CloudPointId,
  type ContentId,
  type ContentReport,
  type DistributionPointId,
  failed,
  type GatewayContent,
  type GatewayId,
  ok,
  type PackageDistribution,
  type PackageId,
  type Problem,
  problem,
  type Result,
  readProblem,
  type StoredObject,
} from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import { type Clock, timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { ContentTables } from '../db/schema/content.ts'
import { afterReport, MOST_TRIES } from './distribution.ts'
import { nextContents, nextObjects, nextReport } from './rewriting/moves.ts'

/** As long as a started run may fetch what its policy named. */
export const SUPERSEDED_MS = 7 * 24 * 3600_000

/** What becomes of a version that a gateway has already. */
export type InstalledThere = 'keep' | 'verify'

/** States in which a gateway is told anew. */
const toldAgain = {
  keep: ['failed', 'retrying', 'cancelled', 'removing'],
  verify: ['installed', 'failed', 'retrying', 'cancelled', 'removing'],
} as const

type Row = Selectable<ContentTables['distributions']>

export const isCloudPoint = (id: DistributionPointId): id is CloudPointId => CloudPointId.safeParse(id).success

export interface Distributions {
  /** Adds points to where a version shall be; what failed there is tried again. */
  add(
    source: Db,
    version: DistributedVersion,
    points: readonly DistributionPointId[],
    installed: InstalledThere,
  ): Promise<void>
  /** The newer version was deleted: this one counts again, also where it was about to go. */
  goBack(source: Db, version: DistributedVersion, points: readonly DistributionPointId[]): Promise<void>
  /** Nothing of the package shall stay there; it goes when no device may be fetching it any more (D4). */
  remove(source: Db, packageId: PackageId, points: readonly DistributionPointId[]): Promise<void>
  /** Ends what is not whole there. */
  cancel(source: Db, packageId: PackageId, points: readonly DistributionPointId[]): Promise<void>
  /** Points that shall hold the newest version of a package so far. */
  pointsOf(source: Db, packageId: PackageId): Promise<DistributionPointId[]>
  /** Of these packages, by package. */
  list(packageIds: readonly PackageId[]): Promise<Map<PackageId, PackageDistribution[]>>
  /**
   * Points where these contents are whole.
   * @param running of them, what a device runs with: that counts also where it is about to go (D4)
   */
  holders(
    contents: readonly ContentId[],
    running?: ReadonlySet<ContentId>,
  ): Promise<Map<ContentId, DistributionPointId[]>>
  gatewayContents(gatewayId: GatewayId): Promise<GatewayContent[]>
  contentObjects(contentId: ContentId): Promise<Result<StoredObject[]>>
  /** @returns the package when a version of it is whole there now, and was not before */
  contentReport(gatewayId: GatewayId, report: ContentReport): Promise<PackageId | undefined>
}

export interface DistributedVersion {
  packageId: PackageId
  version: number
  contentId: ContentId
  objectBytes: number
}

export function createDistributions({ db, clock }: { db: Kysely<Database>; clock: Clock }): Distributions {
  /** Rows that count: an old version past its time does not. */
  const live = () =>
    db
      .selectFrom('distributions')
      .where((eb) => eb.or([eb('superseded_at', 'is', null), eb('superseded_at', '>', clock.now() - SUPERSEDED_MS)]))

  async function add(
    source: Db,
    { packageId, version, contentId, objectBytes }: DistributedVersion,
    points: readonly DistributionPointId[],
    installed: InstalledThere,
  ): Promise<void> {
    for (const pointId of new Set(points)) {
      const told = {
        state: 'waiting',
        present_bytes: 0,
        total_bytes: objectBytes,
        attempts: 0,
        problem: null,
        changed_at: clock.now(),
        superseded_at: null,
        next_try_at: null,
      } as const
      await source
        .insertInto('distributions')
        .values({
          package_id: packageId,
          point_id: pointId,
          version,
          content_id: contentId,
          verify_since: null,
          ...told,
        })
        .onConflict(
          (conflict) =>
            conflict
              .columns(['package_id', 'point_id', 'version'])
              .doUpdateSet({ ...told, verify_since: installed === 'verify' ? clock.now() : null })
              .where('distributions.state', 'in', toldAgain[installed]), // D3
        )
        .execute()
      // An older version that is not whole there yet is not worth the transfer any more.
      await source
        .deleteFrom('distributions')
        .where('package_id', '=', packageId)
        .where('point_id', '=', pointId)
        .where('version', '<', version)
        .where('state', 'not in', ['installed', 'removing'])
        .execute()
    }
  }

  return {
    add,

    async goBack(source, version, points) {
      await source
        .updateTable('distributions')
        .set({ superseded_at: null })
        .where('content_id', '=', version.contentId)
        .where('state', '=', 'installed')
        .execute()
      await add(source, version, points, 'keep')
    },

    async remove(source, packageId, points) {
      await source
        .updateTable('distributions')
        .set({ state: 'removing', changed_at: clock.now(), next_try_at: null })
        .where('package_id', '=', packageId)
        .where('point_id', 'in', [...points])
        .execute()
      // A group would send it there again with the next version.
      await source
        .deleteFrom('point_group_packages')
        .where('package_id', '=', packageId)
        .where('group_id', 'in', (eb) =>
          eb
            .selectFrom('point_group_members')
            .select('group_id')
            .where('point_id', 'in', [...points]),
        )
        .execute()
    },

    async cancel(source, packageId, points) {
      await source
        .updateTable('distributions')
        .set({ state: 'cancelled', problem: null, changed_at: clock.now(), next_try_at: null })
        .where('package_id', '=', packageId)
        .where('point_id', 'in', [...points])
        .where('state', 'in', ['waiting', 'transferring', 'retrying'])
        .execute()
    },

    async pointsOf(source, packageId) {
      const rows = await source
        .selectFrom('distributions')
        .leftJoin('gateways', 'gateways.id', 'distributions.point_id')
        // A gateway that began to use storage stands for it (G1).
        .select((eb) => eb.fn.coalesce('content_point', 'point_id').as('point_id'))
        .distinct()
        .where('package_id', '=', packageId)
        .where('superseded_at', 'is', null)
        .where('state', 'not in', ['removing', 'cancelled'])
        .execute()
      return rows.map((row) => row.point_id)
    },

    async list(packageIds) {
      const all = new Map<PackageId, PackageDistribution[]>(packageIds.map((id) => [id, []]))
      if (packageIds.length === 0) return all
      const rows = await live()
        .selectAll()
        .where('package_id', 'in', [...packageIds])
        .orderBy('point_id')
        .orderBy('version', 'desc')
        .execute()
      for (const row of rows) all.get(row.package_id)?.push(wireForm(row))
      return all
    },

    async holders(contents, running = new Set()) {
      if (contents.length === 0) return new Map()
      const rows = await live()
        .select(['content_id', 'point_id'])
        .where('content_id', 'in', [...contents])
        .where((eb) =>
          eb.or([
            eb('state', '=', 'installed'),
            ...(running.size === 0
              ? []
              : [
                  eb.and([
                    eb('state', '=', 'removing'),
                    eb('present_bytes', '>', 0),
                    eb('present_bytes', '>=', eb.ref('total_bytes')),
                    eb('content_id', 'in', [...running]),
                  ]),
                ]),
          ]),
        )
        .execute()
      const holders = new Map<ContentId, DistributionPointId[]>()
      for (const row of rows) holders.set(row.content_id, [...(holders.get(row.content_id) ?? []), row.point_id])
      return holders
    },

    async gatewayContents(gatewayId) {
      const rows = await live()
        .innerJoin('package_versions as version', 'version.content_id', 'distributions.content_id')
        .select(['version.content_id', 'version.package_id', 'layout_revision', 'object_count', 'object_bytes'])
        .select(['point_id', 'state', 'changed_at'])
        .where((eb) =>
          eb.or([
            eb('point_id', '=', gatewayId).and('state', '!=', 'cancelled'),
            eb('point_id', 'in', eb.selectFrom('cloud_points').select('id')).and('state', '=', 'installed'),
          ]),
        )
        .orderBy('version.content_id')
        .orderBy('point_id')
        .execute()
      const contents = new Map<ContentId, GatewayContent>()
      for (const row of rows) {
        const known = contents.get(row.content_id)
        const own = row.point_id === gatewayId
        contents.set(row.content_id, {
          contentId: row.content_id,
          packageId: row.package_id,
          revision: row.layout_revision,
          objectCount: row.object_count,
          totalBytes: row.object_bytes,
          own: own || known?.own === true,
          points: [...(known?.points ?? []), ...(own ? [] : [row.point_id as CloudPointId])],
          ...(own && row.state === 'waiting' ? { verify: row.changed_at } : orderOf(known)),
        })
      }
      return [...contents.values(), ...(await nextContents(db, gatewayId))]
    },

    async contentObjects(contentId) {
      const rows = await db
        .selectFrom('version_objects')
        .select(['kind', 'hash', 'size_bytes'])
        .where('content_id', '=', contentId)
        .execute()
      if (rows.length === 0) {
        const next = await nextObjects(db, contentId)
        if (next.length > 0) return ok(next)
      }
      if (rows.length === 0) return failed(problem('NOT_FOUND', `There is no content ${contentId}.`))
      return ok(rows.map(({ kind, hash, size_bytes }) => ({ kind, hash, sizeBytes: size_bytes })))
    },

    async contentReport(gatewayId, report) {
      await nextReport(db, gatewayId, report.contentId, report.state === 'present')
      return await db.transaction().execute(async (trx) => {
        const row = await trx
          .selectFrom('distributions')
          .innerJoin('package_versions as version', 'version.content_id', 'distributions.content_id')
          .selectAll('distributions')
          .select('layout_revision')
          .where('distributions.content_id', '=', report.contentId)
          .where('point_id', '=', gatewayId)
          .executeTakeFirst()
        if (
          row === undefined ||
          row.state === 'removing' ||
          row.state === 'cancelled' ||
          row.layout_revision !== report.revision
        )
          return undefined // D2
        if (row.state === 'waiting' && report.verified !== row.changed_at) return undefined // D3
        const reason = report.problem === undefined ? undefined : readProblem(report.problem, 0)
        const next = afterReport(
          {
            state: row.state,
            presentBytes: row.present_bytes,
            totalBytes: row.total_bytes,
            attempts: row.attempts,
            problem: undefined,
          },
          report,
          reason,
        )
        await trx
          .updateTable('distributions')
          .set({
            // Only when it is another: policy is made of it.
            ...(next.state === row.state ? {} : { state: next.state }),
            present_bytes: next.presentBytes,
            total_bytes: next.totalBytes,
            attempts: next.attempts,
            problem: next.problem === undefined ? null : JSON.stringify(next.problem),
            changed_at: clock.now(),
          })
          .where('content_id', '=', report.contentId)
          .where('point_id', '=', gatewayId)
          .execute()
        if (next.state !== 'installed') return undefined
        await supersede(trx, row, clock.now()) // D1
        return row.state === 'installed' ? undefined : row.package_id
      })
    },
  }
}

/** Versions of the package that the one in the row takes the place of (D1). */
export async function supersede(
  trx: Db,
  { package_id, point_id, version }: Pick<Row, 'package_id' | 'point_id' | 'version'>,
  now: number,
): Promise<void> {
  await trx
    .updateTable('distributions')
    .set({ superseded_at: now })
    .where('package_id', '=', package_id)
    .where('point_id', '=', point_id)
    .where('version', '<', version)
    .where('superseded_at', 'is', null)
    .execute()
}

const orderOf = (known: GatewayContent | undefined) => (known?.verify === undefined ? {} : { verify: known.verify })

const wireForm = (row: Row): PackageDistribution => ({
  pointId: row.point_id,
  version: row.version,
  state: row.state,
  presentBytes: row.present_bytes,
  totalBytes: row.total_bytes,
  attempts: row.attempts,
  ...(isCloudPoint(row.point_id) ? { retriesLeft: Math.max(0, MOST_TRIES - row.attempts) } : {}),
  ...(row.problem === null ? {} : { problem: JSON.parse(row.problem) as Problem }),
  changedAt: timestamp(row.changed_at),
})
