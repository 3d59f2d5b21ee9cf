import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0013-organisation',
  async up(db, { text, integer, flag, bytes }) {
    await db.schema
      .createTable('organisation_authorities')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('certificate', text, (column) => column.notNull())
      .addColumn('subject', text, (column) => column.notNull())
      .addColumn('root', flag, (column) => column.notNull())
      .addColumn('expires_at', integer, (column) => column.notNull())
      .addColumn('crl_url', text)
      .addColumn('crl', bytes)
      .addColumn('crl_issued_at', integer)
      .addColumn('crl_next_update', integer)
      .addColumn('crl_fault', text)
      .execute()
    await db.schema
      .createTable('organisation_settings')
      .addColumn('id', integer, (column) => column.primaryKey())
      .addColumn('document', text, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('organisation_certificates')
      .addColumn('device_id', text, (column) => column.primaryKey().references('devices.id').onDelete('cascade'))
      .addColumn('issuer_id', text, (column) => column.notNull())
      .addColumn('serial', text, (column) => column.notNull())
      .addColumn('name', text, (column) => column.notNull())
      .execute()
  },
}
