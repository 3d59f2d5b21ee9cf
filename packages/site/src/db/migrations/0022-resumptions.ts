import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0022-resumptions',
  async up(db, { text }) {
    await db.schema.alterTable('deployment_devices').addColumn('resume_run_id', text).execute()
  },
}
