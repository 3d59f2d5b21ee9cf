/**
 * What a device gets of the record of another one that is the same computer: collections and variables. The
 * history stays with the record that had it.
 */
import type { DeviceId } from '@sluice/protocol'
import { variablePurpose } from '../collections/variables.ts'
import type { Db } from '../db/database.ts'
import type { Vault } from '../secrets/vault.ts'

/** In the caller's transaction. What `to` has of its own stays as it is. */
export async function inherit(trx: Db, vault: Vault, from: DeviceId, to: DeviceId): Promise<void> {
  const memberships = await trx.selectFrom('collection_members').selectAll().where('device_id', '=', from).execute()
  for (const membership of memberships)
    await trx
      .insertInto('collection_members')
      .values({ ...membership, device_id: to })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  const variables = await trx.selectFrom('variables').selectAll().where('device_id', '=', from).execute()
  for (const variable of variables) {
    const { key, sealed } = variable
    const purpose = (device_id: DeviceId) => variablePurpose({ device_id }, key)
    await trx
      .insertInto('variables')
      .values({
        ...variable,
        device_id: to,
        sealed: sealed === null ? null : vault.seal(purpose(to), vault.open(purpose(from), sealed)),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
}
