/**
 * Keeps a cloud distribution point from going while something begins to refer to it: whoever refers shares its
 * row until its transaction ends, and whoever removes it has it alone. SQLite does transactions one by one.
 */
import type { CloudPointId } from '@sluice/protocol'
import type { Db } from '../db/database.ts'
import { isPostgres } from '../db/types.ts'

/** Whether it is there; then it stays until the transaction ends. */
export async function holdPoint(trx: Db, id: CloudPointId): Promise<boolean> {
  const row = await pointRow(trx, id)
    .$call((query) => (isPostgres(trx) ? query.forShare() : query))
    .executeTakeFirst()
  return row !== undefined
}

/** Until the transaction ends nobody begins to refer to it. */
export async function lockPoint(trx: Db, id: CloudPointId): Promise<void> {
  await pointRow(trx, id)
    .$call((query) => (isPostgres(trx) ? query.forUpdate() : query))
    .execute()
}

const pointRow = (trx: Db, id: CloudPointId) => trx.selectFrom('cloud_points').select('id').where('id', '=', id)
