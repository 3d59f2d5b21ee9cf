import assert from 'node:assert/strict'
import { request } from 'node:https'
import { after, before, describe, test } from 'node:test'
import { managementRoutes } from './management.ts'
import { ask, createWorld, deviceId, until, type World } from './testing/gateway-world.ts'

describe('the listener for whoever runs the gateway', () => {
  let world: World
  before(async () => {
    world = await createWorld()
  })
  after(() => world.close())

  test('says alive, ready once the site was heard of, its figures, and not ready as soon as it ends', async () => {
    const { ports, stop } = await world.start({ management: { host: '127.0.0.1', port: 0 }, drainMs: 5_000 })
    const get = async (path: string, method = 'GET') => {
      const answer = await fetch(`http://127.0.0.1:${ports.management}${path}`, { method })
      return { status: answer.status, text: await answer.text() }
    }
    assert.deepEqual(await get(managementRoutes.live.path), { status: 200, text: 'alive\n' })
    assert.deepEqual(await get(managementRoutes.ready.path), { status: 503, text: 'the site was not heard of yet\n' })
    assert.equal((await get('/v1/policy')).status, 404)
    assert.equal((await get('/ready', 'POST')).status, 404)
    await world.site.connect(ports.link)
    await world.logs('link.up')
    assert.equal((await get(managementRoutes.ready.path)).status, 200)

    const agent = world.agent(world.device)
    await ask('/v1/policy', { port: ports.device, agent, method: 'POST' })
    await ask('/v1/policy', { port: ports.device, agent: world.agent(), method: 'POST' })
    const { text } = await get(managementRoutes.metrics.path)
    const figure = (name: string) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${name} `))
          ?.split(' ')[1],
      )
    assert.equal(figure('sluice_gateway_requests_total{listener="device",route="policy",status="200"}'), 1)
    assert.equal(figure('sluice_gateway_requests_total{listener="device",route="none",status="401"}'), 1)
    assert.equal(figure('sluice_gateway_links{connection="control"}'), 1)
    assert.ok(figure('sluice_gateway_connections{listener="device"}') >= 1)
    assert.ok(figure('sluice_gateway_certificate_end_seconds') > Date.now() / 1000)
    assert.ok(figure('process_resident_memory_bytes') > 0)
    assert.ok(!text.includes(deviceId))

    // One that is under way ends well; a new one is not taken; whoever looks is told not to send more.
    const go = Promise.withResolvers<void>()
    world.site.onRelay = async () => {
      await go.promise
      return { status: 200, contentType: 'application/json', body: Buffer.from('{}') }
    }
    const underWay = ask('/v1/policy', { port: ports.device, agent, method: 'POST' })
    await until(() => world.site.relayed.length === 2, 'the request')
    const ended = stop()
    assert.deepEqual(await get(managementRoutes.ready.path), { status: 503, text: 'ending\n' })
    assert.equal((await get(managementRoutes.live.path)).status, 200)
    await assert.rejects(
      new Promise((_resolve, reject) => request({ host: '127.0.0.1', port: ports.device }).once('error', reject).end()),
    )
    go.resolve()
    assert.equal((await underWay).status, 200)
    await ended
    await assert.rejects(get(managementRoutes.live.path))
  })
})
