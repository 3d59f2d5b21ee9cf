import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0006-distribution-points',
  async up(db, { text, integer }) {
    await db.schema
      .createTable('cloud_points')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('name', text, (column) => column.notNull().unique())
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('address', text, (column) => column.notNull())
      .addColumn('service', text, (column) => column.notNull())
      .addColumn('origin', text, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('point_objects')
      .addColumn('point_id', text, (column) => column.notNull().references('cloud_points.id'))
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('hash', text, (column) => column.notNull())
      .addColumn('size_bytes', integer, (column) => column.notNull())
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('verified_at', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('point_objects_key', ['point_id', 'kind', 'hash'])
      .execute()

    await db.schema.alterTable('distributions').renameColumn('gateway_id', 'point_id').execute()
    await db.schema.alterTable('distributions').addColumn('verify_since', integer).execute()
    await db.schema.alterTable('distributions').addColumn('next_try_at', integer).execute()
    await db.schema.alterTable('gateways').addColumn('content_point', text).execute()

    await db.schema
      .createTable('leases')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('owner', text, (column) => column.notNull())
      .addColumn('fence', integer, (column) => column.notNull())
      .addColumn('until', integer, (column) => column.notNull())
      .execute()

    await db.schema
      .createTable('content_leases')
      .addColumn('content_id', text, (column) => column.notNull())
      .addColumn('device_id', text, (column) => column.notNull())
      .addColumn('until', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('content_leases_key', ['content_id', 'device_id'])
      .execute()

    await db.schema
      .createTable('point_groups')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('name', text, (column) => column.notNull().unique())
      .addColumn('created_at', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('point_group_members')
      .addColumn('group_id', text, (column) => column.notNull().references('point_groups.id').onDelete('cascade'))
      .addColumn('point_id', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('point_group_members_key', ['group_id', 'point_id'])
      .execute()
    await db.schema
      .createTable('point_group_packages')
      .addColumn('group_id', text, (column) => column.notNull().references('point_groups.id').onDelete('cascade'))
      .addColumn('package_id', text, (column) => column.notNull().references('packages.id').onDelete('cascade'))
      .addPrimaryKeyConstraint('point_group_packages_key', ['group_id', 'package_id'])
      .execute()
  },
}
