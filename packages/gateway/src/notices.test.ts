/** What devices that listen hear, when they are cut, and how many may. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type Caller, DeviceId } from '@sluice/protocol'
import { createNotices } from './notices.ts'
import { issueDevice } from './testing/authorities.ts'
import {
  ask,
  createWorld,
  deviceId,
  type Heard,
  hear,
  otherDeviceId,
  sha256,
  siteId,
  until,
  type World,
} from './testing/gateway-world.ts'

const kinds = ({ lines }: Heard) => lines.map((line) => (JSON.parse(line) as { kind: string }).kind)
const told = (heard: Heard, times = 1) =>
  until(() => kinds(heard).filter((kind) => kind === 'sync').length >= times, 'the notice')

describe('devices that listen', () => {
  let world: World
  let port: number
  before(async () => {
    world = await createWorld()
    port = (await world.startLinked({ limits: { listeningDevices: 2 } })).ports.device
  })
  after(() => world.close())

  test('each hears at once that somebody is there, and that it shall ask when the site names it', async () => {
    const other = await issueDevice(world.authority.device, siteId, otherDeviceId)
    const [one, two] = await Promise.all([hear(port, world.agent(world.device)), hear(port, world.agent(other))])
    await until(() => one.lines.length === 1 && two.lines.length === 1, 'the first lines')
    assert.deepEqual([...kinds(one), ...kinds(two)], ['alive', 'alive'])
    world.site.say({ kind: 'sync', devices: [deviceId] })
    await told(one)
    world.site.say({ kind: 'sync' })
    await Promise.all([told(one, 2), told(two)])
    assert.deepEqual(kinds(two), ['alive', 'sync'])

    // No place for a third, but the same device may come anew: the newer request counts.
    const third = await issueDevice(world.authority.device, siteId, DeviceId.parse('dev_0000000003'))
    const refused = await ask('/v1/notify', { port, agent: world.agent(third) })
    assert.equal(refused.json().code, 'BUSY')
    const again = await hear(port, world.agent(world.device))
    await until(() => one.ended, 'the end of the older request')
    world.site.say({ kind: 'sync', devices: [deviceId] })
    await told(again)

    // A place that is given up can be taken.
    two.close()
    let late: Heard | undefined
    while (late?.status !== 200) late = await hear(port, world.agent(third))
    late.close()
    again.close()
  })

  test('whoever listens while the link is lost is told to ask when it is back', async () => {
    const heard = await hear(port, world.agent(world.device))
    world.site.cut()
    await world.logs('link.ended', 2)
    const linkPort = world.ports().link
    await world.site.connect(linkPort)
    await told(heard)
    heard.close()
  })

  test('a revoked device is cut off in the middle, and comes no more', async () => {
    const lost = await issueDevice(world.authority.device, siteId, otherDeviceId)
    const heard = await hear(port, world.agent(lost))
    world.site.say({ kind: 'revoked', certificates: [lost.hash] })
    await until(() => heard.ended, 'the cut')
    const answer = await ask('/v1/notify', { port, agent: world.agent(lost) })
    assert.equal(answer.json().code, 'CERTIFICATE_REVOKED')
  })

  test('the end of the gateway ends the request in good order, without waiting for it', async () => {
    const heard = await hear(port, world.agent(world.device))
    await world.stop()
    assert.equal(heard.ended, true)
    assert.deepEqual(kinds(heard), ['alive'])
  })
})

test('whoever may not stay any longer is cut at the next beat, in the middle of the answer', async () => {
  const notices = createNotices(10, 5)
  const caller: Caller = {
    identity: 'device',
    deviceId,
    certificate: sha256(Buffer.from('x')),
    expired: false,
    remoteAddress: '',
  }
  let mayStay = true
  const plain = { caller, parameters: {}, query: new URLSearchParams(), host: '', headers: {}, body: Buffer.alloc(0) }
  const server = createServer((_, response) => {
    const { signal } = new AbortController()
    void notices.handler({ ...plain, signal, mayStay: () => mayStay, response })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const lines: string[] = []
    const whole = (async () => {
      for await (const chunk of answer.body ?? []) {
        lines.push(...Buffer.from(chunk).toString().trim().split('\n'))
        if (lines.length >= 3) mayStay = false
      }
    })()
    await assert.rejects(whole, /terminated/)
    assert.ok(lines.length >= 3)
    await until(() => notices.count() === 0, 'the place to be free')
  } finally {
    notices.stop()
    server.close()
  }
})
