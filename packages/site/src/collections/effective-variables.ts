/**
 * Which variables the runs of a device have (configmgr-behaviour §3.11): its own; then those of its collections,
 * the one with the highest priority first, of equal ones the collection that was made last.
 */
import {
  type CollectionId,
  type DeviceId,
  type EffectiveVariable,
  MAX_OWN_VARIABLE_TEXT,
  MAX_OWN_VARIABLES,
} from '@sluice/protocol'
import { timestamp } from '../clock.ts'
import type { Db } from '../db/database.ts'

export interface VariableRow {
  key: string
  name: string
  value: string | null
  sealed: string | null
  changed_at: number
}

export interface EffectiveRow extends VariableRow {
  from: 'device' | CollectionId
}

/** What precedence looks at. */
export type NamedValue = Pick<VariableRow, 'key' | 'name' | 'value'>

/** Variables of a collection, and what says how they stand to those of others. */
export interface SharedVariables {
  id: CollectionId
  priority: number
  createdAt: number
  variables: readonly NamedValue[]
}

export async function effectiveVariables(db: Db, deviceId: DeviceId): Promise<EffectiveRow[]> {
  const columns = ['key', 'variables.name', 'value', 'sealed', 'changed_at'] as const
  const own = await db.selectFrom('variables').select(columns).where('device_id', '=', deviceId).execute()
  const shared = await db
    .selectFrom('collection_members as member')
    .innerJoin('collections', 'collections.id', 'member.collection_id')
    .innerJoin('variables', 'variables.collection_id', 'collections.id')
    .select([...columns, 'collections.id as from'])
    .where('member.device_id', '=', deviceId)
    .orderBy('collections.variable_priority', 'desc')
    .orderBy('collections.created_at', 'desc')
    .orderBy('collections.id')
    .orderBy('key')
    .execute()
  return winning([...own.map((one) => ({ ...one, from: 'device' as const })), ...shared])
}

/** The same from parts that were read apart: without what is sealed. */
export function effectiveValues(
  own: readonly NamedValue[],
  shared: readonly SharedVariables[],
): (NamedValue & Pick<EffectiveRow, 'from'>)[] {
  const ordered = shared.toSorted(
    (a, b) => b.priority - a.priority || b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1),
  )
  return winning([
    ...own.map((one) => ({ ...one, from: 'device' as const })),
    ...ordered.flatMap(({ id, variables }) => variables.map((one) => ({ ...one, from: id }))),
  ])
}

/**
 * By name, upper and lower case being the same. When there are more than a device may have, those of the
 * lowest precedence are left out.
 * @param rows the first of a name counts
 */
function winning<Row extends NamedValue>(rows: readonly Row[]): Row[] {
  const found = new Map<string, Row>()
  let text = 0
  for (const row of rows) {
    text += found.has(row.key) ? 0 : row.name.length + (row.value ?? '').length
    if (found.has(row.key)) continue
    if (found.size >= MAX_OWN_VARIABLES || text > MAX_OWN_VARIABLE_TEXT) break
    found.set(row.key, row)
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** Variables of many devices, each their own alone. */
export async function variablesOfDevices(db: Db, ids: readonly DeviceId[]): Promise<Map<DeviceId, NamedValue[]>> {
  const rows = await db
    .selectFrom('variables')
    .select(['device_id', 'key', 'name', 'value'])
    .where('device_id', 'in', ids)
    .orderBy('key')
    .execute()
  const found = new Map<DeviceId, NamedValue[]>()
  for (const { device_id, ...one } of rows)
    if (device_id !== null) found.set(device_id, [...(found.get(device_id) ?? []), one])
  return found
}

/** Variables of those collections that have any. */
export async function variablesOfCollections(
  db: Db,
  ids: readonly CollectionId[],
): Promise<Map<CollectionId, SharedVariables>> {
  const rows = await db
    .selectFrom('collections')
    .innerJoin('variables', 'variables.collection_id', 'collections.id')
    .select(['collections.id', 'variable_priority', 'collections.created_at'])
    .select(['key', 'variables.name', 'value'])
    .where('collections.id', 'in', ids)
    .orderBy('key')
    .execute()
  const groups = Map.groupBy(rows, ({ id }) => id)
  return new Map(
    groups.entries().map(([id, [first, ...others]]) => {
      const all = first === undefined ? others : [first, ...others]
      const variables = all.map(({ key, name, value }) => ({ key, name, value }))
      return [id, { id, priority: first?.variable_priority ?? 0, createdAt: first?.created_at ?? 0, variables }]
    }),
  )
}

/** As administrators see it: without what is masked. */
export const variableInfo = (row: VariableRow) => ({
  name: row.name,
  masked: row.value === null,
  ...(row.value === null ? {} : { value: row.value }),
  changedAt: timestamp(row.changed_at),
})

export const effectiveInfo = (row: EffectiveRow): EffectiveVariable => ({ ...variableInfo(row), from: row.from })
