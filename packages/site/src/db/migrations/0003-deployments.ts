import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0003-deployments',
  async up(db, { text, integer, flag, bytes }) {
    await db.schema
      .createTable('catalogue_metadata')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('role', text, (column) => column.notNull())
      .addColumn('version', integer, (column) => column.notNull())
      .addColumn('bytes', bytes, (column) => column.notNull())
      .addColumn('sha256', text, (column) => column.notNull())
      .addColumn('length_bytes', integer, (column) => column.notNull())
      .addColumn('expires_at', integer, (column) => column.notNull())
      .addColumn('superseded_at', integer)
      .execute()
    await db.schema
      .createIndex('catalogue_metadata_by_superseded')
      .on('catalogue_metadata')
      .column('superseded_at')
      .execute()
    await db.schema
      .createTable('catalogue_blobs')
      .addColumn('sha256', text, (column) => column.primaryKey())
      .addColumn('bytes', bytes, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('catalogue_targets')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('bin', text, (column) => column.notNull())
      .addColumn('sha256', text, (column) => column.notNull().references('catalogue_blobs.sha256'))
      .addColumn('length_bytes', integer, (column) => column.notNull())
      .addColumn('released_at', integer, (column) => column.notNull())
      .execute()
    await db.schema.createIndex('catalogue_targets_by_bin').on('catalogue_targets').columns(['bin', 'name']).execute()
    await db.schema.createIndex('catalogue_targets_by_hash').on('catalogue_targets').column('sha256').execute()

    await db.schema
      .createTable('sequences')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('name', text, (column) => column.notNull().unique())
      .addColumn('revision', integer, (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('sequence_revisions')
      .addColumn('sequence_id', text, (column) => column.notNull().references('sequences.id'))
      .addColumn('revision', integer, (column) => column.notNull())
      .addColumn('target', text, (column) => column.notNull())
      .addColumn('sha256', text, (column) => column.notNull())
      .addColumn('document', text, (column) => column.notNull())
      .addColumn('description', text)
      .addColumn('packages', text, (column) => column.notNull())
      .addColumn('steps', integer, (column) => column.notNull())
      .addColumn('downloads_package_content', flag, (column) => column.notNull())
      .addColumn('warnings', text, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('sequence_revisions_key', ['sequence_id', 'revision'])
      .execute()

    await db.schema
      .createTable('deployments')
      .addColumn('id', text, (column) => column.primaryKey())
      .addColumn('revision', integer, (column) => column.notNull())
      .addColumn('sequence_id', text, (column) => column.notNull().references('sequences.id'))
      .addColumn('collection_id', text, (column) => column.notNull().references('collections.id'))
      .addColumn('settings', text, (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('changed_at', integer, (column) => column.notNull())
      .execute()
    await db.schema.createIndex('deployments_by_collection').on('deployments').column('collection_id').execute()
    await db.schema
      .createTable('deployment_devices')
      .addColumn('deployment_id', text, (column) => column.notNull().references('deployments.id').onDelete('cascade'))
      .addColumn('device_id', text, (column) => column.notNull().references('devices.id').onDelete('cascade'))
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('refusals', text, (column) => column.notNull())
      .addColumn('run_id', text)
      .addColumn('run_contents', text)
      .addColumn('run_started_at', integer)
      .addColumn('report', text)
      .addColumn('changed_at', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('deployment_devices_key', ['deployment_id', 'device_id'])
      .execute()
    await db.schema
      .createIndex('deployment_devices_by_device')
      .on('deployment_devices')
      .columns(['device_id', 'state'])
      .execute()

    await db.schema
      .createTable('policy_bodies')
      .addColumn('device_id', text, (column) => column.primaryKey().references('devices.id').onDelete('cascade'))
      .addColumn('seq', integer, (column) => column.notNull())
      .addColumn('body_hash', text, (column) => column.notNull())
      .addColumn('envelope', text, (column) => column.notNull())
      .addColumn('signed_at', integer, (column) => column.notNull())
      .execute()
  },
}
