/** Builds what a device shall do, from what the site knows. The same facts give the same bytes. */
import type {
  CollectionId,
  DeviceId,
  NetworkLocation,
  PolicyBody,
  PolicyDeployment,
  PolicyVariable,
} from '@sluice/protocol'
import { effectiveValues, type NamedValue, variablesOfDevices } from '../collections/effective-variables.ts'
import { lookUpAtOnce } from '../db/at-once.ts'
import type { Db } from '../db/database.ts'
import { debugOrders } from '../debugging/debugging.ts'
import type { SiteFacts } from '../deployments/circumstances.ts'
import { runOrders } from '../deployments/device-state.ts'
import { type CollectionPart, createSharedParts, type FactsState } from './shared-part.ts'

/** @returns the body of a device, from facts none of which is older than `at` */
export type BuildBody = (deviceId: DeviceId, location: NetworkLocation, at: FactsState) => Promise<PolicyBody>

/** What many devices have in common is kept (`shared-part.ts`); what each has of its own is read for all of a moment. */
export function createBodies(db: Db, facts: SiteFacts): BuildBody {
  const sharedAt = createSharedParts(db, facts)
  const collections = lookUpAtOnce((ids: readonly DeviceId[]) => collectionsOf(db, ids))
  const variables = lookUpAtOnce((ids: readonly DeviceId[]) => variablesOfDevices(db, ids))
  const orders = lookUpAtOnce((ids: readonly DeviceId[]) => runOrders(db, ids))
  const debugging = lookUpAtOnce((ids: readonly DeviceId[]) => debugOrders(db, ids))

  return async (deviceId, location, at) => {
    const shared = sharedAt(at, location)
    const [member, own, ordered] = await Promise.all([collections(deviceId), variables(deviceId), orders(deviceId)])
    // Only a device that is in a run has a debugger.
    const debugged = ordered === undefined ? [] : ((await debugging(deviceId)) ?? [])
    const parts = await Promise.all((member ?? []).map(shared.collection))
    const { clientSettings, gateways, ...origins } = await shared.site()
    const named = policyVariables(own ?? [], parts)
    const { cancelled = [], paused = [], resumed = [] } = ordered ?? {}
    return {
      v: 1,
      minReader: 1,
      crit: [],
      deviceId,
      location,
      clientSettings,
      gateways,
      ...origins,
      deployments: merged(parts),
      // Left out where there is none: most bodies stay as they are.
      ...(named.length === 0 ? {} : { variables: named }),
      ...(cancelled.length === 0 ? {} : { cancelledRuns: cancelled }),
      ...(paused.length === 0 ? {} : { pausedRuns: paused }),
      ...(resumed.length === 0 ? {} : { resumedRuns: resumed }),
      ...(debugged.length === 0 ? {} : { debugOrders: debugged }),
    }
  }
}

/** Of all collections of a device, in the order of their making. */
function merged(parts: readonly CollectionPart[]): PolicyDeployment[] {
  return parts
    .flatMap(({ deployments }) => deployments)
    .sort((a, b) => a.createdAt - b.createdAt || (a.deployment.id < b.deployment.id ? -1 : 1))
    .map(({ deployment }) => deployment)
}

/** P4 of `policy.ts`: without those that are masked. */
function policyVariables(own: readonly NamedValue[], parts: readonly CollectionPart[]): PolicyVariable[] {
  const shared = parts.flatMap(({ variables }) => variables ?? [])
  return effectiveValues(own, shared).flatMap(({ name, value, from }) =>
    value === null ? [] : { name, value, level: from === 'device' ? 'device' : ('collection' as const) },
  )
}

async function collectionsOf(db: Db, ids: readonly DeviceId[]): Promise<Map<DeviceId, CollectionId[]>> {
  const rows = await db
    .selectFrom('collection_members')
    .select(['device_id', 'collection_id'])
    .where('device_id', 'in', ids)
    .orderBy('collection_id')
    .execute()
  const found = new Map<DeviceId, CollectionId[]>()
  for (const { device_id, collection_id } of rows)
    found.set(device_id, [...(found.get(device_id) ?? []), collection_id])
  return found
}
