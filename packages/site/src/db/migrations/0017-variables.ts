import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0017-variables',
  async up(db, { text, integer }) {
    await db.schema
      .alterTable('collections')
      .addColumn('variable_priority', integer, (column) => column.notNull().defaultTo(1))
      .execute()
    await db.schema
      .createTable('variables')
      .addColumn('collection_id', text, (column) => column.references('collections.id').onDelete('cascade'))
      .addColumn('device_id', text, (column) => column.references('devices.id').onDelete('cascade'))
      .addColumn('key', text, (column) => column.notNull())
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('value', text)
      .addColumn('sealed', text)
      .addColumn('changed_at', integer, (column) => column.notNull())
      .execute()
    for (const owner of ['collection_id', 'device_id'])
      await db.schema.createIndex(`variables_${owner}`).on('variables').columns([owner, 'key']).unique().execute()
  },
}
