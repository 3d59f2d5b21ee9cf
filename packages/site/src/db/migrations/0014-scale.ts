import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0014-scale',
  async up(db, { text, integer, flag }) {
    // What the body that a device was sent last was made of.
    await db.schema.alterTable('policy_bodies').addColumn('facts_revision', integer).execute()
    await db.schema.alterTable('policy_bodies').addColumn('location', text).execute()
    await db.schema.alterTable('policy_bodies').addColumn('key_id', text).execute()

    const alter = () => db.schema.alterTable('gateways')
    await alter().addColumn('outbound_limit_bytes', integer).execute()
    await alter()
      .addColumn('outbound_warning_percent', integer, (column) => column.notNull().defaultTo(50))
      .execute()
    await alter()
      .addColumn('outbound_critical_percent', integer, (column) => column.notNull().defaultTo(90))
      .execute()
    await alter()
      .addColumn('stop_when_critical', flag, (column) => column.notNull().defaultTo(0))
      .execute()
    await alter().addColumn('storage_limit_bytes', integer).execute()
    await alter().addColumn('stopped_at', integer).execute()
    await db.schema
      .createTable('gateway_traffic')
      .addColumn('gateway_id', text, (column) => column.notNull().references('gateways.id').onDelete('cascade'))
      .addColumn('day', integer, (column) => column.notNull())
      .addColumn('pack_bytes', integer, (column) => column.notNull())
      .addColumn('page_bytes', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('gateway_traffic_key', ['gateway_id', 'day'])
      .execute()
  },
}
