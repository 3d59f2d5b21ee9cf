/**
 * Groups of distribution points: what is sent to a group goes to every member, also to those that come
 * later. Who leaves keeps what it has (configmgr-behaviour §5.6).
 */
import { type DistributionPointId, fail, type PackageId, PointGroupId, type PointGroupInfo } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { changeConcerns } from '../administrators/audit/change.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { isUniqueViolation } from '../db/violation.ts'
import { newId } from '../identity/new-id.ts'
import { pointOf, type TargetGateway } from './distribution-targets.ts'

export interface PointGroups {
  list(): Promise<PointGroupInfo[]>
  /** `CONFLICT` when the name is taken. */
  create(name: string): Promise<PointGroupInfo>
  /** `NOT_FOUND`, `GATEWAY_CONTENT_DISABLED`; then nothing is changed. */
  setMembers(id: PointGroupId, members: readonly DistributionPointId[]): Promise<PointGroupInfo>
  /** `NOT_FOUND` */
  delete(id: PointGroupId): Promise<void>
}

/** @param options.send what the group has to a new member */
export function createPointGroups(options: {
  db: Kysely<Database>
  clock: Clock
  gateways(): Promise<readonly TargetGateway[]>
  send(packageId: PackageId, to: readonly DistributionPointId[]): Promise<unknown>
}): PointGroups {
  const { db, clock, gateways, send } = options

  async function list(): Promise<PointGroupInfo[]> {
    const [groups, members, packages] = await Promise.all([
      db.selectFrom('point_groups').select(['id', 'name']).orderBy('name').execute(),
      db.selectFrom('point_group_members').selectAll().orderBy('point_id').execute(),
      db.selectFrom('point_group_packages').selectAll().orderBy('package_id').execute(),
    ])
    return groups.map(({ id, name }) => ({
      id,
      name,
      members: members.flatMap((one) => (one.group_id === id ? [one.point_id] : [])),
      packages: packages.flatMap((one) => (one.group_id === id ? [one.package_id] : [])),
    }))
  }

  const find = async (id: PointGroupId): Promise<PointGroupInfo> =>
    (await list()).find((one) => one.id === id) ?? fail('NOT_FOUND', `There is no distribution point group ${id}.`)

  return {
    list,

    async create(name) {
      const id = newId('dpg', PointGroupId)
      changeConcerns(id)
      try {
        await db.insertInto('point_groups').values({ id, name, created_at: clock.now() }).execute()
      } catch (error) {
        if (isUniqueViolation(error)) fail('CONFLICT', `There is a distribution point group ${name} already.`)
        throw error
      }
      return await find(id)
    },

    async setMembers(id, members) {
      const before = await find(id)
      const known = await gateways()
      await db.transaction().execute(async (trx) => {
        for (const member of members) await pointOf(trx, member, known)
        await trx.deleteFrom('point_group_members').where('group_id', '=', id).execute()
        for (const point_id of new Set(members))
          await trx.insertInto('point_group_members').values({ group_id: id, point_id }).execute()
      })
      const added = members.filter((member) => !before.members.includes(member))
      if (added.length > 0) for (const packageId of before.packages) await send(packageId, added)
      return await find(id)
    },

    async delete(id) {
      const { numDeletedRows } = await db.deleteFrom('point_groups').where('id', '=', id).executeTakeFirst()
      if (numDeletedRows === 0n) fail('NOT_FOUND', `There is no distribution point group ${id}.`)
    },
  }
}
