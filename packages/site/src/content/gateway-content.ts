/**
 * A gateway that uses a cloud distribution point instead of its folder, and one that goes back.
 *
 *   G1. What is sent to such a gateway goes to the point that it stands for.
 *   G2. The new place is told of everything that the old one shall hold, in the transaction that switches.
 *   G3. The old place goes on to hold and to serve it. A folder lets go of a package when the point has it
 *       whole, and then as slowly as everything that is removed (D4), so that no running device misses it.
 *       What lies at a point stays there: others may use it.
 */
import type { DistributionPointId } from '@sluice/protocol'
import type { Clock } from '../clock.ts'
import type { Db } from '../db/database.ts'
import { createDistributions } from './distributions.ts'

/** G2 */
export async function moveGatewayContent(order: {
  trx: Db
  clock: Clock
  from: DistributionPointId
  to: DistributionPointId
}): Promise<void> {
  const { trx, clock, from, to } = order
  if (from === to) return
  const held = await trx
    .selectFrom('distributions')
    .innerJoin('package_versions as version', 'version.content_id', 'distributions.content_id')
    .select(['distributions.package_id', 'distributions.version', 'version.content_id', 'version.object_bytes'])
    .where('point_id', '=', from)
    .where('superseded_at', 'is', null)
    .where('state', 'not in', ['removing', 'cancelled'])
    .orderBy('distributions.version')
    .execute()
  const { add } = createDistributions({ db: trx, clock })
  for (const { package_id: packageId, version, content_id: contentId, object_bytes: objectBytes } of held)
    await add(trx, { packageId, version, contentId, objectBytes }, [to], 'keep')
}

/** G3: takes from the folders what lies whole at the points that their gateways use. @returns how many rows */
export async function leaveFolders(db: Db, clock: Clock): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('distributions')
    .set({ state: 'removing', changed_at: clock.now(), next_try_at: null })
    .where('state', '!=', 'removing')
    .where('superseded_at', 'is', null)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('gateways')
          .innerJoin('distributions as there', 'there.point_id', 'gateways.content_point')
          .select('there.version')
          .whereRef('gateways.id', '=', 'distributions.point_id')
          .whereRef('there.package_id', '=', 'distributions.package_id')
          .whereRef('there.version', '>=', 'distributions.version')
          .where('there.state', '=', 'installed'),
      ),
    )
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
