import assert from 'node:assert/strict'
import { PackageId, PackageOptions, ProblemError } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createPackageOptionsStore, optionsOf } from './package-options.ts'

const id = PackageId.parse('ABC00001')

onEveryDatabase('options of a package are the defaults until somebody says otherwise, and then those', async (db) => {
  await db
    .insertInto('packages')
    .values({
      id,
      name: 'P',
      kind: 'driver',
      target: 'any',
      package_key: new Uint8Array(32),
      version: 0,
      created_at: 1,
    })
    .execute()
  let changes = 0
  const store = createPackageOptionsStore({ db, onChanged: () => changes++ })
  assert.deepEqual(await store.get(id), { persist: false, preCache: {} })
  assert.equal((await optionsOf(db, [id])).size, 0)
  const options = PackageOptions.parse({ persist: true, preCache: { model: 'Meridian', language: 'sv' } })
  await store.set(id, PackageOptions.parse({ persist: true }))
  assert.deepEqual(await store.set(id, options), options)
  assert.deepEqual((await optionsOf(db, [id])).get(id), options)
  assert.equal(changes, 2)
  const nothing = (error: unknown) => error instanceof ProblemError && error.problem.code === 'NOT_FOUND'
  await assert.rejects(store.get(PackageId.parse('ABC00002')), nothing)
  await assert.rejects(store.set(PackageId.parse('ABC00002'), options), nothing)
})
