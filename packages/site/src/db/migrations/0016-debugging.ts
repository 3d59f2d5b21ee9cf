import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0016-debugging',
  async up(db, { text, integer }) {
    await db.schema
      .createTable('run_debugging')
      .addColumn('run_id', text, (column) => column.primaryKey())
      .addColumn('device_id', text, (column) => column.notNull())
      .addColumn('last_order', integer, (column) => column.notNull())
      .addColumn('orders', text, (column) => column.notNull())
      .addColumn('state', text)
      .addColumn('state_at', integer)
      .execute()
    await db.schema.createIndex('run_debugging_device').on('run_debugging').column('device_id').execute()
  },
}
