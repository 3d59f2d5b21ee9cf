import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0024-package-labels',
  async up(db, { text }) {
    await db.schema
      .createTable('package_labels')
      .addColumn('package_id', text, (column) => column.notNull().references('packages.id'))
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('value', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('package_labels_key', ['package_id', 'name'])
      .execute()
    await db.schema.createIndex('package_labels_by_name').on('package_labels').columns(['name', 'package_id']).execute()
    await db.schema.alterTable('sequence_revisions').addColumn('candidates', text).execute()
  },
}
