import assert from 'node:assert/strict'
import { CollectionId, DeviceId, type ProblemCode, ProblemError } from '@sluice/protocol'
import { systemClock } from '../clock.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { newId } from '../identity/new-id.ts'
import { insertDevice } from '../testing/enrolled-device.ts'
import { createCollections } from './collections.ts'

const withCode = (code: ProblemCode) => (error: unknown) => error instanceof ProblemError && error.problem.code === code

onEveryDatabase('a collection has the members that were set last, each once', async (db) => {
  const changed: CollectionId[] = []
  const collections = createCollections({ db, clock: systemClock, onMembersChanged: (id) => changed.push(id) })
  const [one, two, three] = [
    (await insertDevice(db, 0)).id,
    (await insertDevice(db, 0)).id,
    (await insertDevice(db, 0)).id,
  ]
  const { id } = await collections.create('Laptops')
  await collections.setMembers(id, [one, two, two])
  const set = await collections.setMembers('Laptops', [two, three])
  assert.deepEqual(set, { id, name: 'Laptops', members: [two, three].toSorted() })
  assert.deepEqual(await collections.find(id), set)
  assert.deepEqual(await collections.find('Laptops'), set)
  await collections.create('Kiosks')
  assert.deepEqual(
    (await collections.list()).map(({ name, members }) => [name, members.length]),
    [
      ['Kiosks', 0],
      ['Laptops', 2],
    ],
  )
  assert.deepEqual(changed, [id, id])
})

onEveryDatabase('who sets members at the same time as others does not disturb them', async (db) => {
  const collections = createCollections({ db, clock: systemClock, onMembersChanged: () => {} })
  const devices = await Promise.all(Array.from({ length: 6 }, async () => (await insertDevice(db, 0)).id))
  const { id } = await collections.create('Laptops')
  await Promise.all(devices.map((_, i) => collections.setMembers(id, devices.slice(0, i + 1))))
  const { members } = await collections.find(id)
  assert.deepEqual(members, devices.slice(0, members.length).toSorted())
})

onEveryDatabase('a name is one collection; what is not there is said, and changes nothing', async (db) => {
  const collections = createCollections({ db, clock: systemClock, onMembersChanged: () => {} })
  const { id: device } = await insertDevice(db, 0)
  const { id } = await collections.create('Laptops')
  await assert.rejects(collections.create('Laptops'), withCode('CONFLICT'))
  await assert.rejects(collections.find('Desktops'), withCode('NOT_FOUND'))
  await assert.rejects(collections.setMembers(newId('col', CollectionId), [device]), withCode('NOT_FOUND'))
  await collections.setMembers(id, [device])
  const stranger = newId('dev', DeviceId)
  await assert.rejects(collections.setMembers(id, [stranger]), withCode('NOT_FOUND'))
  assert.deepEqual((await collections.find(id)).members, [device])
})
