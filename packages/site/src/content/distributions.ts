/**
 * Which gateways shall hold which versions, and what each said about it.
 *
 *   D1. A newer version takes the place of an older one only when it is whole at the gateway; the
 *       older one then stays for a while, for sequences that are running with it (REL-13).
 *   D2. What a gateway says of another version, of an older layout or of what it shall not hold
 *       changes nothing.
 *   D3. To distribute again what is there is the order to verify it. The order is the time at which
 *       the row began to wait; until the gateway names it in a report, the row waits, so what was
 *       said before the order does not answer it.
 */
import {
  type ContentId,
  type ContentReport,
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
import { afterReport } from './distribution.ts'

/** As long as a started run may fetch what its policy named. */
const SUPERSEDED_MS = 7 * 24 * 3600_000

/** What becomes of a version that a gateway has already. */
export type InstalledThere = 'keep' | 'verify'

/** States in which a gateway is told anew. */
const toldAgain = {
  keep: ['failed', 'retrying', 'removing'],
  verify: ['installed', 'failed', 'retrying', 'removing'],
} as const

type Row = Selectable<ContentTables['distributions']>

export interface Distributions {
  /** Adds gateways to where a version shall be; what failed there is tried again. */
  add(source: Db, version: DistributedVersion, gateways: readonly GatewayId[], installed: InstalledThere): Promise<void>
  /** Gateways that shall hold the newest version of a package so far. */
  gatewaysOf(source: Db, packageId: PackageId): Promise<GatewayId[]>
  /** Of these packages, by package. */
  list(packageIds: readonly PackageId[]): Promise<Map<PackageId, PackageDistribution[]>>
  /** Gateways where these contents are whole. */
  holders(contents: readonly ContentId[]): Promise<Map<ContentId, GatewayId[]>>
  gatewayContents(gatewayId: GatewayId): Promise<GatewayContent[]>
  contentObjects(contentId: ContentId): Promise<Result<StoredObject[]>>
  contentReport(gatewayId: GatewayId, report: ContentReport): Promise<void>
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

  return {
    async add(source, { packageId, version, contentId, objectBytes }, gateways, installed) {
      for (const gatewayId of new Set(gateways)) {
        const told = {
          state: 'waiting',
          present_bytes: 0,
          total_bytes: objectBytes,
          attempts: 0,
          problem: null,
          changed_at: clock.now(),
          superseded_at: null,
        } as const
        await source
          .insertInto('distributions')
          .values({ package_id: packageId, gateway_id: gatewayId, version, content_id: contentId, ...told })
          .onConflict(
            (conflict) =>
              conflict
                .columns(['package_id', 'gateway_id', 'version'])
                .doUpdateSet(told)
                .where('distributions.state', 'in', toldAgain[installed]), // D3
          )
          .execute()
        // An older version that is not whole there yet is not worth the transfer any more.
        await source
          .deleteFrom('distributions')
          .where('package_id', '=', packageId)
          .where('gateway_id', '=', gatewayId)
          .where('version', '<', version)
          .where('state', '!=', 'installed')
          .execute()
      }
    },

    async gatewaysOf(source, packageId) {
      const rows = await source
        .selectFrom('distributions')
        .select('gateway_id')
        .distinct()
        .where('package_id', '=', packageId)
        .where('superseded_at', 'is', null)
        .execute()
      return rows.map((row) => row.gateway_id)
    },

    async list(packageIds) {
      const all = new Map<PackageId, PackageDistribution[]>(packageIds.map((id) => [id, []]))
      if (packageIds.length === 0) return all
      const rows = await live()
        .selectAll()
        .where('package_id', 'in', [...packageIds])
        .orderBy('gateway_id')
        .orderBy('version', 'desc')
        .execute()
      for (const row of rows) all.get(row.package_id)?.push(wireForm(row))
      return all
    },

    async holders(contents) {
      const rows = await live()
        .select(['content_id', 'gateway_id'])
        .where('content_id', 'in', [...contents])
        .where('state', '=', 'installed')
        .execute()
      const holders = new Map<ContentId, GatewayId[]>()
      for (const row of rows) holders.set(row.content_id, [...(holders.get(row.content_id) ?? []), row.gateway_id])
      return holders
    },

    async gatewayContents(gatewayId) {
      const rows = await live()
        .innerJoin('package_versions as version', 'version.content_id', 'distributions.content_id')
        .select(['version.content_id', 'version.package_id', 'layout_revision', 'object_count', 'object_bytes'])
        .select(['state', 'changed_at'])
        .where('gateway_id', '=', gatewayId)
        .where('state', '!=', 'removing')
        .orderBy('version.content_id')
        .execute()
      return rows.map((row) => ({
        contentId: row.content_id,
        packageId: row.package_id,
        revision: row.layout_revision,
        objectCount: row.object_count,
        totalBytes: row.object_bytes,
        ...(row.state === 'waiting' ? { verify: row.changed_at } : {}),
      }))
    },

    async contentObjects(contentId) {
      const rows = await db
        .selectFrom('version_objects')
        .select(['kind', 'hash', 'size_bytes'])
        .where('content_id', '=', contentId)
        .execute()
      if (rows.length === 0) return failed(problem('NOT_FOUND', `There is no content ${contentId}.`))
      return ok(rows.map(({ kind, hash, size_bytes }) => ({ kind, hash, sizeBytes: size_bytes })))
    },

    async contentReport(gatewayId, report) {
      await db.transaction().execute(async (trx) => {
        const row = await trx
          .selectFrom('distributions')
          .innerJoin('package_versions as version', 'version.content_id', 'distributions.content_id')
          .selectAll('distributions')
          .select('layout_revision')
          .where('distributions.content_id', '=', report.contentId)
          .where('gateway_id', '=', gatewayId)
          .executeTakeFirst()
        if (row === undefined || row.state === 'removing' || row.layout_revision !== report.revision) return // D2
        if (row.state === 'waiting' && report.verified !== row.changed_at) return // D3
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
            state: next.state,
            present_bytes: next.presentBytes,
            total_bytes: next.totalBytes,
            attempts: next.attempts,
            problem: next.problem === undefined ? null : JSON.stringify(next.problem),
            changed_at: clock.now(),
          })
          .where('content_id', '=', report.contentId)
          .where('gateway_id', '=', gatewayId)
          .execute()
        if (next.state !== 'installed') return
        await trx
          .updateTable('distributions')
          .set({ superseded_at: clock.now() })
          .where('package_id', '=', row.package_id)
          .where('gateway_id', '=', gatewayId)
          .where('version', '<', row.version)
          .where('superseded_at', 'is', null)
          .execute() // D1
      })
    },
  }
}

const wireForm = (row: Row): PackageDistribution => ({
  gatewayId: row.gateway_id,
  version: row.version,
  state: row.state,
  presentBytes: row.present_bytes,
  totalBytes: row.total_bytes,
  attempts: row.attempts,
  ...(row.problem === null ? {} : { problem: JSON.parse(row.problem) as Problem }),
  changedAt: timestamp(row.changed_at),
})
