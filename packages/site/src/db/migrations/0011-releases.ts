import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0011-releases',
  async up(db, { text, integer }) {
    await db.schema
      .createTable('catalogue_drafts')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('sha256', text, (column) => column.notNull().references('catalogue_blobs.sha256'))
      .addColumn('length_bytes', integer, (column) => column.notNull())
      .addColumn('offered_at', integer, (column) => column.notNull())
      .execute()

    await db.schema.alterTable('deployments').addColumn('author', text).execute()
    await db.schema.alterTable('deployments').addColumn('approved_by', text).execute()
    await db.schema.alterTable('deployments').addColumn('approved_digest', text).execute()
    await db.schema
      .createTable('approval_rule')
      .addColumn('id', integer, (column) => column.primaryKey())
      .addColumn('above_devices', integer)
      .addColumn('proposed', text)
      .addColumn('proposed_by', text)
      .execute()
  },
}
