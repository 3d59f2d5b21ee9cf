import type { Migration } from '../migrate.ts'

/** An import that reads also what looks as it did. */
export const migration: Migration = {
  name: '0008-read-all',
  async up(db, { integer }) {
    await db.schema
      .alterTable('jobs')
      .addColumn('read_all', integer, (column) => column.notNull().defaultTo(0))
      .execute()
  },
}
