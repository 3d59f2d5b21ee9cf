/**
 * Variables of collections and devices as administrators handle them. Masked ones are sealed by the vault and
 * never read back; the steps that name them ask for them like for secrets (`secrets/reveal.ts`).
 */
import {
  type CollectionId,
  type CollectionVariables,
  type DeviceId,
  type DeviceVariables,
  fail,
  MAX_OWN_VARIABLE_TEXT,
  MAX_OWN_VARIABLES,
  type VariableSet,
} from '@sluice/protocol'
import { expressionBuilder, type Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { Vault } from '../secrets/vault.ts'
import { effectiveInfo, effectiveVariables, type VariableRow, variableInfo } from './effective-variables.ts'

export interface VariableStore {
  /** Collections by id or name. `NOT_FOUND`; `CONFLICT` when there are too many. */
  ofCollection(collection: string): Promise<CollectionVariables>
  setForCollection(collection: string, variable: VariableSet): Promise<CollectionVariables>
  removeFromCollection(collection: string, name: string): Promise<CollectionVariables>
  setPriority(collection: string, priority: number): Promise<CollectionVariables>
  ofDevice(id: DeviceId): Promise<DeviceVariables>
  setForDevice(id: DeviceId, variable: VariableSet): Promise<DeviceVariables>
  removeFromDevice(id: DeviceId, name: string): Promise<DeviceVariables>
}

export type VariableOwner = { collection_id: CollectionId } | { device_id: DeviceId }

/** What a masked value is sealed for: no row opens in another one's place. */
export const variablePurpose = (owner: VariableOwner, key: string): string =>
  `variable/${'device_id' in owner ? owner.device_id : owner.collection_id}/${key}`

/** @param options.onCollection, options.onDevice told after a change is durable */
export function createVariableStore(options: {
  db: Kysely<Database>
  vault: Vault
  clock: Clock
  collectionId(idOrName: string): Promise<CollectionId>
  onCollection(id: CollectionId): void
  onDevice(id: DeviceId): void
}): VariableStore {
  const { db, vault, clock, onCollection, onDevice } = options

  async function collectionOf(idOrName: string): Promise<{ collection_id: CollectionId }> {
    return { collection_id: await options.collectionId(idOrName) }
  }

  async function deviceOf(id: DeviceId): Promise<{ device_id: DeviceId }> {
    const found = await db.selectFrom('devices').select('id').where('id', '=', id).executeTakeFirst()
    return found === undefined ? fail('NOT_FOUND', `There is no device ${id}.`) : { device_id: found.id }
  }

  async function set(owner: VariableOwner, { name, value, masked }: VariableSet): Promise<void> {
    const key = name.toLowerCase()
    const kept = masked
      ? { value: null, sealed: vault.seal(variablePurpose(owner, key), value) }
      : { value, sealed: null }
    await db.transaction().execute(async (trx) => {
      await lock(trx, owner)
      const others = (await rowsOf(trx, owner)).filter((row) => row.key !== key)
      if (others.length >= MAX_OWN_VARIABLES) fail('CONFLICT', `There are ${MAX_OWN_VARIABLES} variables already.`)
      const text = others.reduce(
        (sum, row) => sum + row.name.length + (row.value ?? '').length,
        name.length + value.length,
      )
      if (text > MAX_OWN_VARIABLE_TEXT)
        fail('CONFLICT', `Names and values would have ${text} characters together; ${MAX_OWN_VARIABLE_TEXT} fit.`)
      await trx.deleteFrom('variables').where(isOf(owner)).where('key', '=', key).execute()
      await trx
        .insertInto('variables')
        .values({ collection_id: null, device_id: null, ...owner, key, name, ...kept, changed_at: clock.now() })
        .execute()
    })
  }

  async function remove(owner: VariableOwner, name: string): Promise<void> {
    const { numDeletedRows } = await db
      .deleteFrom('variables')
      .where(isOf(owner))
      .where('key', '=', name.toLowerCase())
      .executeTakeFirst()
    if (numDeletedRows === 0n) fail('NOT_FOUND', `There is no variable ${name}.`)
  }

  async function shownCollection(owner: { collection_id: CollectionId }): Promise<CollectionVariables> {
    const { variable_priority } = await db
      .selectFrom('collections')
      .select('variable_priority')
      .where('id', '=', owner.collection_id)
      .executeTakeFirstOrThrow()
    const rows = await rowsOf(db, owner)
    return { collectionId: owner.collection_id, priority: variable_priority, variables: rows.map(variableInfo) }
  }

  async function shownDevice(owner: { device_id: DeviceId }): Promise<DeviceVariables> {
    const effective = await effectiveVariables(db, owner.device_id)
    return { variables: (await rowsOf(db, owner)).map(variableInfo), effective: effective.map(effectiveInfo) }
  }

  async function changeCollection(
    collection: string,
    change: (owner: { collection_id: CollectionId }) => Promise<void>,
  ) {
    const owner = await collectionOf(collection)
    await change(owner)
    onCollection(owner.collection_id)
    return await shownCollection(owner)
  }

  async function changeDevice(id: DeviceId, change: (owner: { device_id: DeviceId }) => Promise<void>) {
    const owner = await deviceOf(id)
    await change(owner)
    onDevice(id)
    return await shownDevice(owner)
  }

  return {
    ofCollection: async (collection) => await shownCollection(await collectionOf(collection)),
    setForCollection: (collection, variable) => changeCollection(collection, (owner) => set(owner, variable)),
    removeFromCollection: (collection, name) => changeCollection(collection, (owner) => remove(owner, name)),
    setPriority: (collection, priority) =>
      changeCollection(collection, async ({ collection_id }) => {
        await db
          .updateTable('collections')
          .set({ variable_priority: priority })
          .where('id', '=', collection_id)
          .execute()
      }),
    ofDevice: async (id) => await shownDevice(await deviceOf(id)),
    setForDevice: (id, variable) => changeDevice(id, (owner) => set(owner, variable)),
    removeFromDevice: (id, name) => changeDevice(id, (owner) => remove(owner, name)),
  }
}

/** Changes nothing, but whoever else sets variables of the same owner waits for this transaction. */
async function lock(trx: Db, owner: VariableOwner): Promise<void> {
  if ('device_id' in owner)
    await trx
      .updateTable('devices')
      .set((eb) => ({ state: eb.ref('state') }))
      .where('id', '=', owner.device_id)
      .execute()
  else
    await trx
      .updateTable('collections')
      .set((eb) => ({ name: eb.ref('name') }))
      .where('id', '=', owner.collection_id)
      .execute()
}

const rowsOf = (db: Db, owner: VariableOwner): Promise<VariableRow[]> =>
  db
    .selectFrom('variables')
    .select(['key', 'name', 'value', 'sealed', 'changed_at'])
    .where(isOf(owner))
    .orderBy('key')
    .execute()

const of = expressionBuilder<Database, 'variables'>()
const isOf = (owner: VariableOwner) =>
  'device_id' in owner ? of('device_id', '=', owner.device_id) : of('collection_id', '=', owner.collection_id)
