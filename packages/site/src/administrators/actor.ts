/** Whoever calls the admin API, with all that he may. */
import {
  type AdministratorId,
  type ApiTokenId,
  CollectionId,
  fail,
  Grant,
  type Me,
  type Permission,
  permissionsOf,
} from '@sluice/protocol'
import { z } from 'zod'

export type Actor = Grant & { name: string } & (
    | {
        kind: 'token'
        id: ApiTokenId
        /** Whose deed it is when two persons are asked for: the id of who made it, or of who made the token that did. */
        owner: string
      }
    | {
        kind: 'administrator'
        id: AdministratorId
        sessionId: string /** Milliseconds since 1970. */
        signedInAt: number
      }
  )

/** Who owns the data folder is one person, whatever its token is called now. */
export const DATA_FOLDER = 'dataFolder'

/** The person behind an actor, however many tokens he has; as it is kept: the id, then the name. */
export const personOf = (actor: Actor): string =>
  actor.kind === 'token' ? `${actor.owner} ${actor.name}` : `${actor.id} ${actor.name}`

const Collections = z.array(CollectionId).nullable()

/** A grant as it is stored. */
export function storedGrant(row: { roles: string; collections: string | null }): Grant {
  const collections = row.collections === null ? null : Collections.parse(JSON.parse(row.collections))
  return Grant.parse({ roles: JSON.parse(row.roles), ...(collections === null ? {} : { collections }) })
}

export const grantColumns = ({ roles, collections }: Grant) => ({
  roles: JSON.stringify(roles),
  collections: collections === undefined ? null : JSON.stringify(collections),
})

export const may = (grant: Grant, permission: Permission): boolean => permissionsOf(grant.roles).has(permission)

/** Nobody gives, changes or takes away what he does not have himself. @throws ProblemError `FORBIDDEN` */
export function requireWithin(actor: Grant, given: Grant): void {
  const own = permissionsOf(actor.roles)
  const more = [...permissionsOf(given.roles)].filter((permission) => !own.has(permission))
  if (more.length > 0) fail('FORBIDDEN', `Your roles do not include ${more.join(', ')}, so you cannot deal with them.`)
  const { collections } = actor
  if (
    collections !== undefined &&
    (given.collections ?? ['all']).some((id) => !collections.includes(id as CollectionId))
  )
    fail('FORBIDDEN', 'That goes beyond your own collections.')
}

export const meOf = ({ kind, id, name, roles, collections }: Actor): Me => ({
  kind,
  id,
  name,
  roles,
  ...(collections === undefined ? {} : { collections }),
})
