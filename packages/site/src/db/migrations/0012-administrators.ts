import { sql } from 'kysely'
import type { Migration } from '../migrate.ts'

const NOTHING_BEFORE = '0'.repeat(64)

export const migration: Migration = {
  name: '0012-administrators',
  async up(db, { text, integer, bytes }) {
    await db.schema
      .createTable('administrators')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('name', text, (column) => column.notNull().unique())
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('roles', text, (column) => column.notNull())
      .addColumn('collections', text)
      .addColumn('password_hash', text)
      .addColumn('totp_secret', text)
      .addColumn('totp_pending', text)
      .addColumn('totp_last_step', integer)
      .addColumn('sign_on_subject', text, (column) => column.unique())
      .addColumn('created_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('admin_recovery_codes')
      .addColumn('code_hash', text, (column) => column.primaryKey())
      .addColumn('administrator_id', text, (column) =>
        column.notNull().references('administrators.id').onDelete('cascade'),
      )
      .execute()
    await db.schema
      .createTable('admin_passkeys')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('administrator_id', text, (column) =>
        column.notNull().references('administrators.id').onDelete('cascade'),
      )
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('public_key', bytes, (column) => column.notNull())
      .addColumn('counter', integer, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('admin_invitations')
      .addColumn('code_hash', text, (column) => column.primaryKey())
      .addColumn('administrator_id', text, (column) => column.references('administrators.id').onDelete('cascade'))
      .addColumn('expires_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('admin_sessions')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('token_hash', text, (column) => column.notNull().unique())
      .addColumn('administrator_id', text, (column) =>
        column.notNull().references('administrators.id').onDelete('cascade'),
      )
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('way', text, (column) => column.notNull())
      .addColumn('address', text, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('last_seen_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('admin_challenges')
      .addColumn('id_hash', text, (column) => column.primaryKey())
      .addColumn('document', text, (column) => column.notNull())
      .addColumn('expires_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('sign_in_failures')
      .addColumn('key', text, (column) => column.primaryKey())
      .addColumn('failures', integer, (column) => column.notNull())
      .addColumn('blocked_until', integer, (column) => column.notNull())
      .addColumn('changed_at', integer, (column) => column.notNull())
      .execute()

    await db.schema
      .createTable('api_tokens')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('token_hash', text, (column) => column.notNull().unique())
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('roles', text, (column) => column.notNull())
      .addColumn('collections', text)
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('expires_at', integer)
      .addColumn('last_used_at', integer)
      .addColumn('revoked_at', integer)
      .execute()
    await sql`
      insert into api_tokens (id, token_hash, name, roles, created_at)
      select ${sql.lit('api_')} || substr(token_hash, 1, 20), token_hash, 'data folder', '["fullAdministrator"]', created_at
      from admin_tokens`.execute(db)
    await db.schema.dropTable('admin_tokens').execute()

    await db.schema
      .createTable('audit_entries')
      .addColumn('seq', integer, (column) => column.primaryKey())
      .addColumn('line', text, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('audit_head')
      .addColumn('key', integer, (column) => column.primaryKey())
      .addColumn('seq', integer, (column) => column.notNull())
      .addColumn('hash', text, (column) => column.notNull())
      .execute()
    await db.insertInto('audit_head').values({ key: 1, seq: 0, hash: NOTHING_BEFORE }).execute()
  },
}
