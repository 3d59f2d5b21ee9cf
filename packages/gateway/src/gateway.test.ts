import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ask, createWorld, deviceId, until, type World } from './testing/gateway-world.ts'

describe('a gateway with a site', () => {
  let world: World
  before(async () => {
    world = await createWorld()
  })
  after(() => world.close())

  test('relays the policy poll of a device, and says who asks', async () => {
    const { ports } = await world.startLinked()
    const answer = await ask('/v1/policy', {
      port: ports.device,
      agent: world.agent(world.device),
      method: 'POST',
      body: '{"some":"body"}',
    })
    assert.equal(answer.status, 200, answer.body.toString())
    const { caller } = answer.json() as { caller: Record<string, unknown> }
    assert.equal(caller.deviceId, deviceId)
    assert.equal(caller.certificate, world.device.hash)
    assert.equal(world.site.relayed[0]?.body.toString(), '{"some":"body"}')
  })
})

test('who is not done when the time to end is over is cut off', async () => {
  const world = await createWorld()
  try {
    world.site.onRelay = () => new Promise(() => {})
    const { ports } = await world.startLinked({ drainMs: 50 })
    const asked = ask('/v1/policy', { port: ports.device, agent: world.agent(world.device), method: 'POST' })
    const broken = assert.rejects(asked)
    await until(() => world.site.relayed.length === 1, 'the request at the site')
    await world.stop()
    await broken
  } finally {
    await world.close()
  }
})
