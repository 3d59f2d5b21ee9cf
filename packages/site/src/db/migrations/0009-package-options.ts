import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0009-package-options',
  async up(db, { text, flag }) {
    await db.schema
      .createTable('package_options')
      .addColumn('package_id', text, (column) => column.primaryKey().references('packages.id'))
      .addColumn('persist', flag, (column) => column.notNull())
      .addColumn('pre_cache', text, (column) => column.notNull())
      .execute()
  },
}
