/** Variables of collections and devices: which one counts, and what of them nobody reads. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  DeploymentSettings,
  type DeviceId,
  PolicyBody,
  type ProblemCode,
  ProblemError,
  readSignedJson,
  VariableSet,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, gateway, makeKeyring } from '../deployments/testing/site-world.ts'
import { createVault } from '../secrets/vault.ts'
import { createVariableStore } from './variables.ts'

const keyring = await makeKeyring()
const CANARY = 'correct-horse-battery'
const withCode = (code: ProblemCode) => (error: unknown) => error instanceof ProblemError && error.problem.code === code
const plain = (name: string, value: string) => VariableSet.parse({ name, value })
const masked = (name: string, value: string) => VariableSet.parse({ name, value, masked: true })

async function createWorld(db: Kysely<Database>) {
  const world = await createSiteWorld(db, keyring)
  const { clock, collections } = world
  const told: string[] = []
  const store = createVariableStore({
    ...{ db, vault: createVault(randomBytes(32)), clock },
    collectionId: async (idOrName) => (await collections.find(idOrName)).id,
    onCollection: (id) => told.push(id),
    onDevice: (id) => told.push(id),
  })
  const caller = await world.enrol('dev_traveller00')
  const collection = async (name: string) => {
    clock.advance(1000)
    const { id } = await collections.create(name)
    await collections.setMembers(id, [caller.deviceId])
    return id
  }
  const effective = async (id: DeviceId = caller.deviceId) =>
    (await store.ofDevice(id)).effective.map(({ name, value, from }) => [name, value, from])
  return { ...world, store, told, caller, collection, effective }
}

onEveryDatabase(
  'a device counts before its collections, of those the highest priority, then the newest',
  async (db) => {
    const { store, caller, collection, effective, collections, told } = await createWorld(db)
    const [first, second, elsewhere] = [
      await collection('First'),
      await collection('Second'),
      await collection('Third'),
    ]
    await collections.setMembers(elsewhere, [])
    await store.setForCollection(elsewhere, plain('Ring', 'elsewhere'))
    await store.setForCollection('First', plain('Ring', 'first'))
    await store.setForCollection(first, plain('Room', '1'))
    assert.deepEqual(await effective(), [
      ['Ring', 'first', first],
      ['Room', '1', first],
    ])
    await store.setForCollection(second, plain('RING', 'second'))
    assert.deepEqual((await effective())[0], ['RING', 'second', second])
    assert.equal((await store.setPriority(first, 9)).priority, 9)
    assert.deepEqual((await effective())[0], ['Ring', 'first', first])
    const { variables } = await store.setForDevice(caller.deviceId, plain('ring', 'own'))
    assert.deepEqual([variables.length, variables[0]?.value], [1, 'own'])
    assert.deepEqual((await effective())[0], ['ring', 'own', 'device'])
    await store.removeFromDevice(caller.deviceId, 'RING')
    assert.deepEqual((await effective())[0], ['Ring', 'first', first])
    assert.equal(told.at(-1), caller.deviceId)

    await assert.rejects(store.removeFromDevice(caller.deviceId, 'Ring'), withCode('NOT_FOUND'))
    await assert.rejects(store.ofCollection('Nowhere'), withCode('NOT_FOUND'))
    await assert.rejects(store.ofDevice('dev_nobody00000' as DeviceId), withCode('NOT_FOUND'))
  },
)

onEveryDatabase(
  'policy gives the plain ones, changes with them, and has nothing of those that are masked',
  async (db) => {
    const { store, caller, collection, poll, sequences, deployments, sequenceText, gateways } = await createWorld(db)
    const laptops = await collection('Laptops')
    gateways.push(gateway('internet'))
    await sequences.apply({ fileName: 's.json', text: sequenceText('S', []) })
    const settings = DeploymentSettings.parse({ allowInternet: true })
    await deployments.create({ sequence: 'S', collection: laptops, settings })
    const variables = async () => {
      const { body } = await poll(caller)
      const text = Buffer.from(body?.payload ?? '', 'base64')
      assert.ok(!text.includes(CANARY))
      const json = readSignedJson(text)
      assert.ok(json.ok)
      return PolicyBody.parse(json.value).variables
    }
    assert.equal(await variables(), undefined)
    await store.setForCollection(laptops, plain('Ring', 'pilot'))
    await store.setForDevice(caller.deviceId, plain('Room', '12'))
    assert.deepEqual(await variables(), [
      { name: 'Ring', value: 'pilot', level: 'collection' },
      { name: 'Room', value: '12', level: 'device' },
    ])
    // What a masked one hides is hidden, also where a collection says it openly.
    await store.setForDevice(caller.deviceId, masked('Ring', CANARY))
    assert.deepEqual(await variables(), [{ name: 'Room', value: '12', level: 'device' }])

    const shown = await store.ofDevice(caller.deviceId)
    assert.deepEqual(
      shown.variables.map(({ name, masked, value }) => [name, masked, value]),
      [
        ['Ring', true, undefined],
        ['Room', false, '12'],
      ],
    )
    assert.ok(!JSON.stringify(await db.selectFrom('variables').selectAll().execute()).includes(CANARY))
  },
)

onEveryDatabase('names and values have the rules of the original, and there is an end to them', async (db) => {
  const { store, caller } = await createWorld(db)
  for (const name of ['', '_SMSTSx', '1st', 'a b', 'n'.repeat(257)])
    assert.ok(!VariableSet.safeParse({ name, value: 'x' }).success, name)
  for (const value of ['', 'x'.repeat(4001)]) assert.ok(!VariableSet.safeParse({ name: 'A', value }).success)
  // A masked one is asked for like a secret.
  assert.ok(VariableSet.safeParse({ name: 'n'.repeat(200), value: 'x' }).success)
  assert.ok(!VariableSet.safeParse({ name: 'n'.repeat(200), value: 'x', masked: true }).success)
  const large = 'x'.repeat(4000)
  await assert.rejects(async () => {
    for (let n = 0; ; n++) await store.setForDevice(caller.deviceId, plain(`Large${n}`, large))
  }, withCode('CONFLICT'))
  const { variables } = await store.ofDevice(caller.deviceId)
  assert.equal(variables.length, 65)
  // Replacing one is not one more.
  await store.setForDevice(caller.deviceId, plain('large0', 'small'))
})
