import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0015-pauses',
  async up(db, { text }) {
    await db.schema.alterTable('deployment_devices').addColumn('pause_run_id', text).execute()
  },
}
