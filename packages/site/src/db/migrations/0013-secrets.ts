import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0013-secrets',
  async up(db, { text, integer }) {
    await db.schema
      .createTable('vault')
      .addColumn('id', integer, (column) => column.primaryKey())
      .addColumn('key_id', text, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('secrets')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('sealed', text, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('changed_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('secret_reveals')
      .addColumn('device_id', text, (column) => column.notNull())
      .addColumn('run_id', text, (column) => column.notNull())
      .addColumn('attempt', text, (column) => column.notNull())
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('nonce', text, (column) => column.notNull())
      .addColumn('revealed_at', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('secret_reveals_pk', ['device_id', 'run_id', 'attempt', 'name'])
      .execute()
    await db.schema.createIndex('secret_reveals_name').on('secret_reveals').column('name').execute()
  },
}
