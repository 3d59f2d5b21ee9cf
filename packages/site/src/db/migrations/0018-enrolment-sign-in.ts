import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0018-enrolment-sign-in',
  async up(db, { text, integer }) {
    await db.schema
      .createTable('enrolment_sign_in')
      .addColumn('id', integer, (column) => column.primaryKey())
      .addColumn('document', text, (column) => column.notNull())
      .addColumn('client_secret', text)
      .execute()
    await db.schema
      .createTable('sign_ins')
      .addColumn('handle_hash', text, (column) => column.primaryKey())
      .addColumn('fingerprint', text, (column) => column.notNull())
      .addColumn('address', text, (column) => column.notNull())
      .addColumn('issuer', text, (column) => column.notNull())
      .addColumn('device_code', text, (column) => column.notNull())
      .addColumn('interval_ms', integer, (column) => column.notNull())
      .addColumn('ask_at', integer, (column) => column.notNull())
      .addColumn('expires_at', integer, (column) => column.notNull())
      .addColumn('person', text)
      .addColumn('refusal', text)
      .execute()
    await db.schema.createIndex('sign_ins_address').on('sign_ins').column('address').execute()
    await db.schema
      .createTable('device_users')
      .addColumn('device_id', text, (column) => column.primaryKey().references('devices.id').onDelete('cascade'))
      .addColumn('document', text, (column) => column.notNull())
      .execute()
  },
}
