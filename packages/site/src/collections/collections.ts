/** Collections: named sets of devices. Here with direct members only. */
import { CollectionId, type CollectionInfo, type DeviceId, fail } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { changeConcerns } from '../administrators/audit/change.ts'
import type { Clock } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import { isUniqueViolation } from '../db/violation.ts'
import { newId } from '../identity/new-id.ts'

/** Members a statement: both databases bound the number of parameters. */
const BATCH = 1_000

export interface Collections {
  list(): Promise<CollectionInfo[]>
  /** By id or name. `NOT_FOUND` */
  find(idOrName: string): Promise<CollectionInfo>
  /** `CONFLICT` when the name is taken. */
  create(name: string): Promise<CollectionInfo>
  /** Replaces the members. `NOT_FOUND` for the collection or a device, and then nothing is changed. */
  setMembers(id: string, members: readonly DeviceId[]): Promise<CollectionInfo>
}

/** @param onMembersChanged told after a change is durable, with those who are members no more */
export function createCollections(options: {
  db: Kysely<Database>
  clock: Clock
  onMembersChanged(id: CollectionId, left: DeviceId[]): void
}): Collections {
  const { db, clock, onMembersChanged } = options

  async function members(source: Db, id: CollectionId): Promise<DeviceId[]> {
    const rows = await source
      .selectFrom('collection_members')
      .select('device_id')
      .where('collection_id', '=', id)
      .orderBy('device_id')
      .execute()
    return rows.map((row) => row.device_id)
  }

  async function find(source: Db, idOrName: string): Promise<CollectionInfo> {
    const id = CollectionId.safeParse(idOrName)
    const rows = await source
      .selectFrom('collections')
      .select(['id', 'name'])
      .where((eb) => eb.or([eb('name', '=', idOrName), ...(id.success ? [eb('id', '=', id.data)] : [])]))
      .execute()
    // A collection may be named like another one's id; the id counts.
    const row = rows.find((one) => one.id === idOrName) ?? rows[0]
    if (row === undefined) fail('NOT_FOUND', `There is no collection ${idOrName}.`)
    return { ...row, members: await members(source, row.id) }
  }

  return {
    find: (idOrName) => find(db, idOrName),

    async list() {
      const all = new Map<CollectionId, CollectionInfo>()
      for (const { id, name } of await db.selectFrom('collections').select(['id', 'name']).orderBy('name').execute())
        all.set(id, { id, name, members: [] })
      const rows = await db.selectFrom('collection_members').selectAll().orderBy('device_id').execute()
      for (const row of rows) all.get(row.collection_id)?.members.push(row.device_id)
      return [...all.values()]
    },

    async create(name) {
      const id = newId('col', CollectionId)
      changeConcerns(id)
      try {
        await db.insertInto('collections').values({ id, name, created_at: clock.now() }).execute()
      } catch (error) {
        if (isUniqueViolation(error)) fail('CONFLICT', `There is a collection ${name} already.`)
        throw error
      }
      return { id, name, members: [] }
    },

    async setMembers(idText, wanted) {
      const changed = await db.transaction().execute(async (trx) => {
        const { id } = await find(trx, idText)
        // Changes nothing, but whoever else sets members waits for this transaction.
        await trx
          .updateTable('collections')
          .set((eb) => ({ name: eb.ref('name') }))
          .where('id', '=', id)
          .execute()
        const before = await members(trx, id)
        const unique = [...new Set(wanted)]
        await trx.deleteFrom('collection_members').where('collection_id', '=', id).execute()
        for (let i = 0; i < unique.length; i += BATCH) {
          const batch = unique.slice(i, i + BATCH)
          const rows = await trx.selectFrom('devices').select('id').where('id', 'in', batch).execute()
          const known = new Set(rows.map((row) => row.id))
          const unknown = batch.filter((device) => !known.has(device))
          if (unknown.length > 0) fail('NOT_FOUND', `There is no device ${unknown.slice(0, 10).join(', ')}.`)
          await trx
            .insertInto('collection_members')
            .values(batch.map((device_id) => ({ collection_id: id, device_id })))
            .execute()
        }
        const now = await find(trx, id)
        const staying = new Set(now.members)
        return { now, left: before.filter((device) => !staying.has(device)) }
      })
      onMembersChanged(changed.now.id, changed.left)
      return changed.now
    },
  }
}
