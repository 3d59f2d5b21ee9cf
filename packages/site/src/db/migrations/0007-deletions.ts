import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0007-deletions',
  async up(db, { text, integer }) {
    await db.schema.alterTable('packages').addColumn('deleted_at', integer).execute()
    await db.schema
      .alterTable('packages')
      .addColumn('last_deleted', integer, (column) => column.notNull().defaultTo(0))
      .execute()
    await db.schema.alterTable('package_versions').addColumn('deleted_at', integer).execute()
    await db.schema
      .createTable('condemned_objects')
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('hash', text, (column) => column.notNull())
      .addColumn('size_bytes', integer, (column) => column.notNull())
      .addColumn('condemned_at', integer, (column) => column.notNull())
      .addColumn('state', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('condemned_objects_key', ['kind', 'hash'])
      .execute()
    await db.schema.createIndex('version_objects_by_hash').on('version_objects').column('hash').execute()
  },
}
