import { sql } from 'kysely'
import type { Migration } from '../migrate.ts'
import { isPostgres } from '../types.ts'

/** What pages of long lists are read by. */
export const migration: Migration = {
  name: '0028-pages',
  async up(db, { text }) {
    // The host name in small letters, out of what the device says of itself.
    await db.schema
      .alterTable('devices')
      .addColumn('name', text, (column) =>
        isPostgres(db)
          ? column.generatedAlwaysAs(sql`lower(facts::json ->> 'hostname')`).stored()
          : column.generatedAlwaysAs(sql`lower(json_extract(facts, '$.hostname'))`),
      )
      .execute()
    // Names too, so that a search for a part of one reads no rows that it does not give.
    const order = ['enrolled_at', 'id', 'name']
    await db.schema.createIndex('devices_in_order').on('devices').columns(order).execute()
    await db.schema.dropIndex('devices_by_state').execute()
    await db.schema
      .createIndex('devices_by_state')
      .on('devices')
      .columns(['state', ...order])
      .execute()
    await db.schema
      .createIndex('devices_blocked')
      .on('devices')
      .columns(order)
      .where(sql.ref('blocked_at'), 'is not', null)
      .execute()
    await db.schema
      .createIndex('device_conflicts_in_order')
      .on('device_conflicts')
      .columns(['since', 'device_id'])
      .execute()
    await db.schema
      .createIndex('enrolment_tokens_in_order')
      .on('enrolment_tokens')
      .columns(['created_at', 'id'])
      .execute()
    await db.schema
      .createIndex('deployment_devices_by_state')
      .on('deployment_devices')
      .columns(['deployment_id', 'state', 'device_id'])
      .execute()
  },
}
