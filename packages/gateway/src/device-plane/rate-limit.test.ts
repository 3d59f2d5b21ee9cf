import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { issueDevice } from '../testing/authorities.ts'
import { ask, createWorld, otherDeviceId, siteId, type World } from '../testing/gateway-world.ts'
import { addressKey, createRateLimiter } from './rate-limit.ts'

describe('a token bucket', () => {
  let now = 0
  const limiter = (maxKeys = 10) => createRateLimiter({ perSecond: 2, burst: 3 }, { now: () => now, maxKeys })

  test('gives its burst at once, then as much as time brings, and never more than its burst', () => {
    const { take } = limiter()
    assert.deepEqual([take('a'), take('a'), take('a'), take('a')], [0, 0, 0, 500])
    now += 400
    assert.equal(take('a'), 100)
    now += 100
    assert.deepEqual([take('a'), take('a')], [0, 500])
    now += 3600_000
    assert.deepEqual([take('a'), take('a'), take('a'), take('a')], [0, 0, 0, 500])
  })

  test('is one for each who asks, and who was heard of longest ago is forgotten when there are too many', () => {
    const { take } = limiter(2)
    for (let i = 0; i < 3; i++) take('a')
    take('b')
    assert.equal(take('a'), 500)
    take('c')
    assert.equal(take('a'), 500, 'b was forgotten, not a')
  })
})

test('an IPv6 network is one address, and an IPv4 address is one however it is written', () => {
  assert.equal(addressKey('::ffff:10.0.0.1'), '10.0.0.1')
  assert.equal(addressKey('10.0.0.1'), '10.0.0.1')
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(addressKey('2001:db8:1:2::6'), '2001:db8:1:2::/64')
  assert.equal(addressKey('2001:db8::1'), '2001:db8:0:0::/64')
  assert.equal(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(addressKey('::1'), '0:0:0:0::/64')
})

describe('who asks too often', () => {
  let world: World
  before(async () => {
    world = await createWorld()
    // So slow that no token comes back while this runs.
    const rate = (burst: number) => ({ perSecond: 0.001, burst })
    await world.startLinked({ limits: { rates: { device: rate(5), enrolment: rate(2), address: rate(20) } } })
  })
  after(() => world.close())

  test('waits: a device, a stranger at enrolment, then everybody of the address', async () => {
    const { ports } = { ports: world.ports() }
    const poll = async (who = world.device) =>
      await ask('/v1/policy', { port: ports.device, agent: world.agent(who), method: 'POST', body: '{}' })
    const enrol = async () =>
      await ask('/v1/enrol', { port: ports.enrolment, agent: world.agent(), method: 'POST', body: '{}' })
    const words = async (times: number, what: typeof poll | typeof enrol) => {
      const statuses: number[] = []
      for (let i = 0; i < times; i++) statuses.push((await what()).status)
      return statuses
    }
    assert.deepEqual(await words(6, poll), [200, 200, 200, 200, 200, 429])
    const limited = await poll()
    assert.equal(limited.json().code, 'RATE_LIMITED')
    assert.ok(Number(limited.headers['retry-after']) > 0)

    const other = await issueDevice(world.authority.device, siteId, otherDeviceId)
    assert.equal((await poll(other)).status, 200, 'another device is not held up')
    assert.deepEqual(await words(3, enrol), [200, 200, 429])

    // Eleven were used; whoever proved nothing uses them up as well, and then learns nothing else.
    const statuses = new Set<number>()
    for (let i = 0; i < 15; i++)
      statuses.add((await ask('/v1/policy', { port: ports.device, agent: world.agent(), method: 'POST' })).status)
    assert.deepEqual([...statuses], [401, 429])
    assert.equal((await poll(other)).status, 429)
  })
})
