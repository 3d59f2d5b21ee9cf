import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0023-devices-told-apart',
  async up(db, { text, integer }) {
    await db.schema.alterTable('api_tokens').addColumn('made_by', text).execute()
    await db.schema.alterTable('devices').addColumn('enrolled_from', text).execute()
    await db.schema.alterTable('devices').addColumn('hardware', text).execute()
    await db.schema.alterTable('devices').addColumn('agents', text).execute()
    await db.schema.alterTable('devices').addColumn('blocked_at', integer).execute()
    await db.schema.createIndex('devices_hardware').on('devices').column('hardware').execute()
    await db.schema
      .createTable('device_conflicts')
      .addColumn('device_id', text, (column) => column.primaryKey().references('devices.id').onDelete('cascade'))
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('other_id', text, (column) => column.references('devices.id').onDelete('cascade'))
      .addColumn('detail', text, (column) => column.notNull())
      .addColumn('since', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('retired_keys')
      .addColumn('fingerprint', text, (column) => column.primaryKey())
      .addColumn('device_id', text, (column) => column.notNull())
      .addColumn('retired_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('conflict_rule')
      .addColumn('id', integer, (column) => column.primaryKey())
      .addColumn('rule', text, (column) => column.notNull())
      .execute()
  },
}
