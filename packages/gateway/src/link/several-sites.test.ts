/** Several processes of one site at one gateway: each takes its turn, and one that dies is not missed. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { GatewayPorts } from '../gateway.ts'
import { ask, createWorld, until, type World } from '../testing/gateway-world.ts'
import type { HandSite, Relayed } from '../testing/hand-site.ts'

describe('several processes of a site', () => {
  let world: World
  let ports: GatewayPorts
  let sites: HandSite[]
  before(async () => {
    world = await createWorld()
    ports = (await world.startLinked()).ports
    const second = world.makeSite('second')
    await second.connect(ports.link)
    await world.logs('link.up', 2)
    sites = [world.site, second]
  })
  after(async () => {
    for (const site of sites) site.cut()
    await world.close()
  })
  beforeEach(() => {
    for (const site of sites) {
      site.relayed.length = 0
      site.onRelay = answer
    }
  })

  const answer = async () => ({ status: 200, contentType: 'application/json', body: Buffer.from('{}') })
  /** Says nothing until the device or the link goes away. */
  const silence = ({ signal }: Relayed) =>
    new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('gone'))))
  const poll = () =>
    ask('/v1/policy', { port: ports.device, agent: world.agent(world.device), method: 'POST', body: '{}' })
  const enrol = () => ask('/v1/enrol', { port: ports.enrolment, agent: world.agent(), method: 'POST', body: '{}' })
  const asked = () => sites.map(({ relayed }) => relayed.length)

  test('are asked in turn', async () => {
    for (let i = 0; i < 10; i++) assert.equal((await poll()).status, 200)
    assert.deepEqual(asked(), [5, 5])
  })

  test('a newer connection of one takes the place of its older one only', async () => {
    await sites[1]?.connect(ports.link, ['control'])
    await world.logs('link.up', 3)
    for (let i = 0; i < 10; i++) assert.equal((await poll()).status, 200)
    assert.deepEqual(asked(), [5, 5])
  })

  test('one that dies costs what it has under way, and of that only what must not be asked twice', async () => {
    const [first, second] = sites
    assert.ok(first && second)
    second.onRelay = silence
    const asking: ReturnType<typeof poll>[] = []
    for (const some of [5, 10, 15, 20]) {
      // Polls of one moment go to one process together.
      while (asking.length < some) asking.push(poll())
      await until(() => first.relayed.length + second.relayed.length === some, 'the polls')
    }
    const polls = Promise.all(asking)
    assert.ok(second.relayed.length > 0)
    const enrolments = Promise.all([enrol(), enrol()])
    await until(() => second.relayed.some(({ routeId }) => routeId === 'enrol'), 'an enrolment')
    second.cut()
    for (const { status } of await polls) assert.equal(status, 200)
    assert.deepEqual((await enrolments).map(({ status }) => status).sort(), [200, 503])
    assert.equal(first.relayed.filter(({ routeId }) => routeId === 'policy').length, 20)
    assert.equal(first.relayed.filter(({ routeId }) => routeId === 'enrol').length, 1)

    for (let i = 0; i < 10; i++) assert.equal((await poll()).status, 200)
    assert.equal((await enrol()).status, 200)
    await second.connect(ports.link)
    second.onRelay = answer
    await world.logs('link.up', 4)
    second.relayed.length = 0
    for (let i = 0; i < 10; i++) assert.equal((await poll()).status, 200)
    assert.equal(second.relayed.length, 5)
  })

  test('a revocation that one of them tells counts, whoever answers', async () => {
    sites[1]?.say({ kind: 'revoked', certificates: [world.device.hash] })
    let code: string | undefined
    while (code !== 'CERTIFICATE_REVOKED') code = (await poll().catch(() => undefined))?.json().code
  })
})
