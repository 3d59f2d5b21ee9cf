import type { Migration } from '../migrate.ts'

export const migration: Migration = {
  name: '0004-gateways',
  async up() {},
}
