import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0005-cancellations',
  async up(db, { text }) {
    await db.schema.alterTable('deployment_devices').addColumn('cancel_run_id', text).execute()
  },
}
