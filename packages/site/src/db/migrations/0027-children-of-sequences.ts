import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0027-children-of-sequences',
  async up(db, { text }) {
    await db.schema.alterTable('sequence_revisions').addColumn('applied', text).execute()
    await db.schema.alterTable('sequence_revisions').addColumn('children', text).execute()
  },
}
