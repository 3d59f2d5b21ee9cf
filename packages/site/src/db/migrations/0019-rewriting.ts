import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0019-rewriting',
  async up(db, { text, integer, flag }) {
    await db.schema.alterTable('packs').addColumn('live_bytes', integer).execute()
    await db.schema
      .alterTable('packs')
      .addColumn('rewritten', flag, (column) => column.notNull().defaultTo(0))
      .execute()
    await db.schema
      .createTable('layout_moves')
      .addColumn('content_id', text, (column) => column.primaryKey().references('package_versions.content_id'))
      .addColumn('layout_hash', text, (column) => column.notNull().unique())
      .addColumn('layout_bytes', integer, (column) => column.notNull())
      .addColumn('stored_bytes', integer, (column) => column.notNull())
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('changed_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('next_objects')
      .addColumn('content_id', text, (column) => column.notNull().references('layout_moves.content_id'))
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('hash', text, (column) => column.notNull())
      .addColumn('size_bytes', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('next_objects_key', ['content_id', 'hash'])
      .execute()
    await db.schema.createIndex('next_objects_by_hash').on('next_objects').column('hash').execute()
    await db.schema
      .createTable('layout_arrivals')
      .addColumn('layout_hash', text, (column) => column.notNull().references('layout_moves.layout_hash'))
      .addColumn('point_id', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('layout_arrivals_key', ['layout_hash', 'point_id'])
      .execute()
    await db.schema
      .createTable('device_contents')
      .addColumn('device_id', text, (column) => column.notNull().references('devices.id').onDelete('cascade'))
      .addColumn('content_id', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('device_contents_key', ['device_id', 'content_id'])
      .execute()
    await db.schema.createIndex('device_contents_by_content').on('device_contents').column('content_id').execute()
    await db.schema
      .alterTable('jobs')
      .addColumn('refuse_long_paths', flag, (column) => column.notNull().defaultTo(0))
      .execute()
  },
}
