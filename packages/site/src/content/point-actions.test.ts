/** What an administrator does with packages at distribution points, and with groups of points. */
import assert from 'node:assert/strict'
import { type ContentId, PackageId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { refusedAs } from '../testing/refusal.ts'
import { internal, internet, type LibraryWorld, withLibrary } from './testing/library-world.ts'

const id = PackageId.parse('ABC00001')

/** A device may fetch a content until then. */
const lease = (db: Kysely<Database>, content_id: ContentId, until: number) =>
  db
    .insertInto('content_leases')
    .values({ content_id, device_id: 'dev_0000000000' as never, until })
    .execute()

const states = async (site: LibraryWorld) =>
  (await site.library.get(id)).distribution.map(({ pointId, state }) => `${pointId} ${state}`)
const gone = async (site: LibraryWorld) => {
  while ((await states(site)).length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
}

withLibrary('a package is not taken away while a deployment needs it; forced, it goes', async (site) => {
  const { contentId = assert.fail() } = await site.imported({ a: 1000 })
  await site.library.distribute(id, [internet])
  await site.install(internet, contentId)
  site.world.deployments = ['Upgrade']
  await assert.rejects(site.library.removeDistribution(id, { from: [internet], force: false }), refusedAs('CONFLICT'))
  assert.deepEqual(await states(site), [`${internet} installed`])
  await site.library.removeDistribution(id, { from: [internet], force: true })
  await gone(site)
  assert.deepEqual(await site.library.gatewayContents(internet), [])
})

withLibrary('what a device may be fetching stays until its token has ended', async (site, db) => {
  const { contentId = assert.fail() } = await site.imported({ a: 1000 })
  await site.library.distribute(id, [internet])
  await site.install(internet, contentId)
  await lease(db, contentId, site.clock.now() + 1000)
  await site.library.removeDistribution(id, { from: [internet], force: false })
  // A second order is carried out after the first, so that the first has been looked at.
  await site.library.removeDistribution(id, { from: [internet], force: false })
  assert.deepEqual(await states(site), [`${internet} removing`])
  assert.equal((await site.library.gatewayContents(internet)).length, 1, 'the gateway keeps it')
  site.clock.advance(2000)
  await site.library.removeDistribution(id, { from: [internet], force: false })
  await gone(site)
})

withLibrary('a distribution is cancelled, and goes on when it is ordered again', async (site) => {
  const { contentId = assert.fail() } = await site.imported({ a: 1000 })
  await site.library.distribute(id, [internet, internal])
  await site.install(internal, contentId)
  await site.library.cancelDistribution(id, [internet, internal])
  assert.deepEqual((await states(site)).sort(), [`${internal} installed`, `${internet} cancelled`])
  assert.deepEqual(await site.library.gatewayContents(internet), [])
  await site.library.distribute(id, [internet], 'keep')
  assert.ok((await states(site)).includes(`${internet} waiting`))
  await assert.rejects(site.library.validateDistribution(id, ['gw_nobody0000' as never]), refusedAs('NOT_FOUND'))
  await site.library.validateDistribution(id, [internal])
  assert.ok((await states(site)).includes(`${internal} waiting`))
})

withLibrary('what is sent to a group goes to its members, also to those that come later', async (site) => {
  await site.imported({ a: 1000 })
  const { pointGroups } = site.library
  const group = await pointGroups.create('Everywhere')
  await assert.rejects(pointGroups.create('Everywhere'), refusedAs('CONFLICT'))
  await pointGroups.setMembers(group.id, [internet])
  await site.library.distribute(id, [group.id])
  assert.deepEqual(await states(site), [`${internet} waiting`])
  const later = await pointGroups.setMembers(group.id, [internet, internal])
  assert.deepEqual([later.members.length, later.packages], [2, [id]])
  assert.deepEqual((await states(site)).sort(), [`${internal} waiting`, `${internet} waiting`])
  await pointGroups.setMembers(group.id, [internal])
  assert.equal((await states(site)).length, 2, 'who leaves keeps what it has')
  await site.library.removeDistribution(id, { from: [internal], force: false })
  assert.deepEqual((await pointGroups.list())[0]?.packages, [], 'it is not sent there again')
  await pointGroups.delete(group.id)
  assert.deepEqual(await pointGroups.list(), [])
})
