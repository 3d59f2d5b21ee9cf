import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0001-site',
  async up(db, { text, integer }) {
    await db.schema
      .createTable('site')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('created_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('admin_tokens')
      .addColumn('token_hash', text, (column) => column.primaryKey())
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('client_settings')
      .addColumn('key', integer, (column) => column.primaryKey())
      .addColumn('revision', integer, (column) => column.notNull())
      .addColumn('document', text, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('counters')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('value', integer, (column) => column.notNull())
      .execute()

    await db.schema
      .createTable('devices')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('fingerprint', text, (column) => column.notNull().unique())
      .addColumn('seal_key', text, (column) => column.notNull())
      .addColumn('facts', text, (column) => column.notNull())
      .addColumn('agent', text, (column) => column.notNull())
      .addColumn('enrolled_at', integer, (column) => column.notNull())
      .addColumn('last_seen_at', integer)
      .addColumn('last_gateway_id', text)
      .execute()
    await db.schema.createIndex('devices_by_state').on('devices').column('state').execute()
    await db.schema
      .createTable('device_certificates')
      .addColumn('hash', text, (column) => column.primaryKey())
      .addColumn('device_id', text, (column) => column.notNull().references('devices.id').onDelete('cascade'))
      .addColumn('serial', text, (column) => column.notNull().unique())
      .addColumn('issued_at', integer, (column) => column.notNull())
      .addColumn('expires_at', integer, (column) => column.notNull())
      .addColumn('revoked_at', integer)
      .execute()
    await db.schema.createIndex('device_certificates_by_device').on('device_certificates').column('device_id').execute()
    await db.schema
      .createTable('enrolment_tokens')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('token_hash', text, (column) => column.notNull().unique())
      .addColumn('uses', integer, (column) => column.notNull())
      .addColumn('used', integer, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('expires_at', integer, (column) => column.notNull())
      .addColumn('blocked_at', integer)
      .execute()
    await db.schema
      .createTable('token_uses')
      .addColumn('token_id', text, (column) => column.notNull().references('enrolment_tokens.id').onDelete('cascade'))
      .addColumn('device_id', text, (column) => column.notNull().references('devices.id').onDelete('cascade'))
      .addColumn('used_at', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('token_uses_key', ['token_id', 'device_id'])
      .execute()

    await db.schema
      .createTable('collections')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('name', text, (column) => column.notNull().unique())
      .addColumn('created_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('collection_members')
      .addColumn('collection_id', text, (column) => column.notNull().references('collections.id').onDelete('cascade'))
      .addColumn('device_id', text, (column) => column.notNull().references('devices.id').onDelete('cascade'))
      .addPrimaryKeyConstraint('collection_members_key', ['collection_id', 'device_id'])
      .execute()
    await db.schema.createIndex('collection_members_by_device').on('collection_members').column('device_id').execute()

    await db.schema
      .createTable('status_messages')
      .addColumn('cursor', integer, (column) => column.primaryKey())
      .addColumn('device_id', text, (column) => column.notNull().references('devices.id').onDelete('cascade'))
      .addColumn('boot_id', text, (column) => column.notNull())
      .addColumn('seq', integer, (column) => column.notNull())
      .addColumn('received_at', integer, (column) => column.notNull())
      .addColumn('message', text, (column) => column.notNull())
      .addUniqueConstraint('status_messages_once', ['device_id', 'boot_id', 'seq'])
      .execute()
    await db.schema
      .createIndex('status_messages_by_device')
      .on('status_messages')
      .columns(['device_id', 'cursor'])
      .execute()
  },
}
