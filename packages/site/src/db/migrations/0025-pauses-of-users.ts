import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0025-pauses-of-users',
  async up(db, { integer }) {
    await db.schema.alterTable('deployment_devices').addColumn('user_paused_until', integer).execute()
  },
}
