import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0004-gateways',
  async up(db, { text, integer, flag }) {
    await db.schema
      .createTable('gateways')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('name', text, (column) => column.notNull().unique())
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('device_url', text, (column) => column.notNull())
      .addColumn('enrolment_url', text, (column) => column.notNull())
      .addColumn('link_address', text, (column) => column.notNull())
      .addColumn('serve_content', flag, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('traffic_since', integer)
      .addColumn('pack_bytes', integer, (column) => column.notNull())
      .addColumn('page_bytes', integer, (column) => column.notNull())
      .addColumn('earlier_pack_bytes', integer, (column) => column.notNull())
      .addColumn('earlier_page_bytes', integer, (column) => column.notNull())
      .execute()
  },
}
