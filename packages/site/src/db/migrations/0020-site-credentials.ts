import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0020-site-credentials',
  async up(db, { text, integer }) {
    await db.schema
      .createTable('site_credentials')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('sealed', text, (column) => column.notNull())
      .addColumn('changed_at', integer, (column) => column.notNull())
      .execute()
  },
}
