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

/**
 * By name, upper and lower case being the same. When there are more than a device may have, those of the
 * lowest precedence are left out.
 */
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
  const found = new Map<string, EffectiveRow>()
  let text = 0
  for (const row of [...own.map((one) => ({ ...one, from: 'device' as const })), ...shared]) {
    text += found.has(row.key) ? 0 : row.name.length + (row.value ?? '').length
    if (found.has(row.key)) continue
    if (found.size >= MAX_OWN_VARIABLES || text > MAX_OWN_VARIABLE_TEXT) break
    found.set(row.key, row)
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** As administrators see it: without what is masked. */
export const variableInfo = (row: VariableRow) => ({
  name: row.name,
  masked: row.value === null,
  ...(row.value === null ? {} : { value: row.value }),
  changedAt: timestamp(row.changed_at),
})

export const effectiveInfo = (row: EffectiveRow): EffectiveVariable => ({ ...variableInfo(row), from: row.from })
