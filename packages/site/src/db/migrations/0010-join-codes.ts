import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0010-join-codes',
  async up(db, { text, integer }) {
    await db.schema.alterTable('gateways').addColumn('join_hash', text).execute()
    await db.schema.alterTable('gateways').addColumn('join_expires_at', integer).execute()
  },
}
