/**
 * What a scope leaves of the site. An administrator whose grant names collections sees and acts on
 * their members and deployments only; everything else is not there for him.
 */
import { type CollectionId, type DeploymentId, type DeviceId, fail, type Grant, type Reach } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Database } from '../db/database.ts'

export interface Scope {
  /** Before the route is answered. @throws ProblemError `NOT_FOUND` for what is out of scope */
  admit(grant: Grant, reach: Reach, asked: { id: string; body: unknown }): Promise<void>
  /** The answer without what is out of scope. */
  narrow<T>(grant: Grant, reach: Reach, answer: T): Promise<T>
}

const NamesCollection = z.object({ collection: z.string() })
const NamesMembers = z.object({ members: z.array(z.string()) })

export function createScope({ db }: { db: Kysely<Database> }): Scope {
  async function membersOf(collections: readonly CollectionId[]): Promise<Set<string>> {
    const rows = await db
      .selectFrom('collection_members')
      .select('device_id')
      .where('collection_id', 'in', collections)
      .execute()
    return new Set(rows.map((row) => row.device_id))
  }

  async function deviceIsIn(collections: readonly CollectionId[], id: string): Promise<boolean> {
    const row = await db
      .selectFrom('collection_members')
      .select('device_id')
      .where('collection_id', 'in', collections)
      .where('device_id', '=', id as DeviceId)
      .executeTakeFirst()
    return row !== undefined
  }

  async function collectionOfDeployment(id: string): Promise<CollectionId | undefined> {
    const row = await db
      .selectFrom('deployments')
      .select('collection_id')
      .where('id', '=', id as DeploymentId)
      .executeTakeFirst()
    return row?.collection_id
  }

  /** By id or name, as the route takes it. */
  async function collectionNamed(idOrName: string): Promise<CollectionId | undefined> {
    const rows = await db
      .selectFrom('collections')
      .select(['id', 'name'])
      .where((eb) => eb.or([eb('name', '=', idOrName), eb('id', '=', idOrName as CollectionId)]))
      .execute()
    return (rows.find((row) => row.id === idOrName) ?? rows[0])?.id
  }

  return {
    async admit({ collections }, reach, { id, body }) {
      if (collections === undefined) return
      const isOwn = (collection: CollectionId | undefined) =>
        collection !== undefined && collections.includes(collection)
      switch (reach) {
        case 'device':
          if (!(await deviceIsIn(collections, id))) fail('NOT_FOUND', `There is no device ${id}.`)
          return
        case 'deployment':
          if (!isOwn(await collectionOfDeployment(id))) fail('NOT_FOUND', `There is no deployment ${id}.`)
          return
        case 'newDeployment': {
          const { collection } = NamesCollection.parse(body)
          if (!isOwn(await collectionNamed(collection))) fail('NOT_FOUND', `There is no collection ${collection}.`)
          return
        }
        case 'collection':
        case 'members': {
          if (!isOwn(await collectionNamed(id))) fail('NOT_FOUND', `There is no collection ${id}.`)
          if (reach === 'collection') return
          const own = await membersOf(collections)
          const stranger = NamesMembers.parse(body).members.find((device) => !own.has(device))
          if (stranger !== undefined) fail('NOT_FOUND', `There is no device ${stranger}.`)
          return
        }
        case 'site': // The gate let nobody with a scope in.
        case 'open':
        case 'devices':
        case 'deployments':
        case 'collections':
        case 'status':
        case 'account':
          return // Read, and narrowed where the answer or the question is.
      }
    },

    async narrow({ collections }, reach, answer) {
      if (collections === undefined || !Array.isArray(answer)) return answer
      const own = new Set<string>(collections)
      const shown = (one: unknown) => typeof one === 'object' && one !== null && own.has(ownerOf(one, reach))
      return reach === 'deployments' || reach === 'collections' ? (answer.filter(shown) as typeof answer) : answer
    },
  }
}

/** What decides whether an entry of a list is in scope. */
function ownerOf(one: object, reach: Reach): string {
  const owner: unknown = Reflect.get(one, reach === 'deployments' ? 'collectionId' : 'id')
  return typeof owner === 'string' ? owner : ''
}
