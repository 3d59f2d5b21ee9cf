/**
 * From what an administrator names to points: a gateway that uses a cloud distribution point instead
 * of its folder stands for that point; a group for its members, and it remembers what was sent to it.
 */
import {
  CloudPointId,
  type DistributionPointId,
  type DistributionTarget,
  fail,
  GatewayId,
  type PackageId,
  PointGroupId,
} from '@sluice/protocol'
import type { Db } from '../db/database.ts'
import { holdPoint } from './lock-point.ts'

/** A gateway as far as distribution cares. */
export interface TargetGateway {
  id: GatewayId
  name: string
  serveContent: boolean
  /** The cloud distribution point that it uses instead of its folder. */
  contentPoint?: CloudPointId | undefined
}

/**
 * Points for the targets; part of the caller's transaction.
 * @param packageId what is sent there, which a group remembers
 * @throws ProblemError `NOT_FOUND`, `GATEWAY_CONTENT_DISABLED`
 */
export async function resolveTargets(
  trx: Db,
  order: { targets: readonly DistributionTarget[]; packageId: PackageId; gateways: readonly TargetGateway[] },
): Promise<DistributionPointId[]> {
  const { targets, packageId, gateways } = order
  const points = new Set<DistributionPointId>()
  for (const target of targets) {
    const group = PointGroupId.safeParse(target)
    if (!group.success) {
      points.add(await pointOf(trx, target as DistributionPointId, gateways))
      continue
    }
    for (const member of await membersOf(trx, group.data)) points.add(await pointOf(trx, member, gateways))
    await trx
      .insertInto('point_group_packages')
      .values({ group_id: group.data, package_id: packageId })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  return [...points]
}

/** Points that the targets mean, whatever they may be used for now: to take something away from them. */
export async function targetPoints(
  trx: Db,
  targets: readonly DistributionTarget[],
  gateways: readonly TargetGateway[],
): Promise<DistributionPointId[]> {
  const points = new Set<DistributionPointId>()
  for (const target of targets) {
    const group = PointGroupId.safeParse(target)
    const named = group.success ? await membersOf(trx, group.data) : [target as DistributionPointId]
    for (const id of named) points.add(gateways.find((one) => one.id === id)?.contentPoint ?? id)
  }
  return [...points]
}

/** The point that a gateway or cloud point stands for. */
export async function pointOf(
  trx: Db,
  id: DistributionPointId,
  gateways: readonly TargetGateway[],
): Promise<DistributionPointId> {
  if (GatewayId.safeParse(id).success) {
    const gateway = gateways.find((one) => one.id === id) ?? fail('NOT_FOUND', `There is no gateway ${id}.`)
    if (!gateway.serveContent) fail('GATEWAY_CONTENT_DISABLED', `The gateway ${gateway.name} does not serve content.`)
    return gateway.contentPoint ?? id
  }
  const point = CloudPointId.parse(id)
  return (await holdPoint(trx, point)) ? point : fail('NOT_FOUND', `There is no distribution point ${id}.`)
}

async function membersOf(trx: Db, id: PointGroupId): Promise<DistributionPointId[]> {
  const group = await trx.selectFrom('point_groups').select('id').where('id', '=', id).executeTakeFirst()
  if (group === undefined) fail('NOT_FOUND', `There is no distribution point group ${id}.`)
  const rows = await trx.selectFrom('point_group_members').select('point_id').where('group_id', '=', id).execute()
  return rows.map((row) => row.point_id)
}
