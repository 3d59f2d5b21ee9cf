/** What devices have in common is made once between two changes; each still gets a body of its own. */
import assert from 'node:assert/strict'
import { DeploymentSettings } from '@sluice/protocol'
import { type KyselyPlugin, SelectQueryNode, TableNode } from 'kysely'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, makeKeyring } from '../deployments/testing/site-world.ts'
import { createBodies } from './body.ts'

const keyring = await makeKeyring()

onEveryDatabase('deployments are read once for all devices, and again after a change or a restore', async (db) => {
  const world = await createSiteWorld(db, keyring)
  const { caller, collection, deployment } = await world.deployToInternet()
  const other = await world.enrol('dev_neighbour00')
  const { id: more } = await world.collections.create('More')
  await world.collections.setMembers(more, [other.deviceId])
  await world.collections.setMembers(collection, [caller.deviceId, other.deviceId])
  const settings = DeploymentSettings.parse({ allowInternet: true })
  const second = await world.deployments.create({ sequence: 'Upgrade', collection: more, settings })

  let reads = 0
  const counting: KyselyPlugin = {
    transformQuery({ node }) {
      const [from] = SelectQueryNode.is(node) ? (node.from?.froms ?? []) : []
      if (from !== undefined && TableNode.is(from) && from.table.identifier.name === 'deployments') reads++
      return node
    },
    transformResult: async ({ result }) => result,
  }
  const build = createBodies(db.withPlugin(counting), world.facts)
  const bodies = (epoch: number, revision: number) =>
    Promise.all([caller, other].map(({ deviceId }) => build(deviceId, 'internet', { epoch, revision })))
  const [one, two] = await bodies(1, 7)
  assert.deepEqual([one?.deviceId, two?.deviceId], [caller.deviceId, other.deviceId])
  assert.deepEqual(
    [one, two].map((body) => body?.deployments.map(({ id }) => id)),
    [[deployment.id], [deployment.id, second.id].toSorted()],
  )
  assert.equal(reads, 1, 'one statement for both collections')
  assert.deepEqual(await bodies(1, 7), [one, two])
  assert.equal(reads, 1, 'nothing changed')

  await world.deployments.delete(second.id)
  assert.deepEqual((await bodies(1, 8))[1]?.deployments, one?.deployments)
  assert.equal(reads, 2, 'facts changed')
  await bodies(2, 8)
  assert.equal(reads, 3, 'a restored database counts the same numbers again, in another epoch')
})
