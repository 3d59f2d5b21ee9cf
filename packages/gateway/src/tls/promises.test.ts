/** What the listeners promise of TLS and HTTP themselves, whoever comes and whatever he asks for (SEC-18, SEC-53, SEC-58, SEC-59). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { connectorUri, deviceBounds, LINK_CONTROL } from '@sluice/protocol'
import { type OldVersion, oldVersions, takesOldTls } from '../../../content/src/gateway-check/old-tls.ts'
import { ask, createWorld, siteId, until, type World } from '../testing/gateway-world.ts'

const doors = ['enrolment', 'device', 'link'] as const

describe('every listener', () => {
  let world: World
  before(async () => {
    world = await createWorld()
    await world.startLinked()
  })
  after(() => world.close())

  for (const door of doors) {
    test(`${door}: TLS 1.0 and 1.1 are not gone on with`, async () => {
      for (const version of Object.keys(oldVersions) as OldVersion[]) {
        const socket = connectPlain(world.ports()[door], '127.0.0.1')
        await once(socket, 'connect')
        assert.equal(await takesOldTls(socket, version, 'gateway.example', 10_000), false, version)
      }
    })

    test(`${door}: no session is resumed, in neither version`, async () => {
      const { cert, key } = door === 'link' ? await world.authority.link.issue(connectorUri(siteId)) : world.device
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const talk = async (session?: Buffer) => {
          const socket = connect({
            ...{ host: '127.0.0.1', port: world.ports()[door], ca: world.authority.gateway.certificate, cert, key },
            ...{ minVersion: version, maxVersion: version, session },
            ALPNProtocols: door === 'link' ? [LINK_CONTROL] : ['http/1.1'],
          })
          socket.on('error', () => {})
          let given: Buffer | undefined
          socket.on('session', (found) => {
            given = found
          })
          await once(socket, 'secureConnect')
          const reused = socket.isSessionReused()
          await until(() => given !== undefined, 'something to resume with')
          socket.destroy()
          return { reused, given, ticket: version === 'TLSv1.2' ? socket.getTLSTicket() : undefined }
        }
        const first = await talk()
        assert.ok(!first.ticket)
        assert.deepEqual([first.reused, (await talk(first.given)).reused], [false, false], version)
      }
    })
  }

  test('headers that are too long or too many are refused, and nothing of them is relayed', async () => {
    const poll = (headers: Record<string, string>) =>
      ask('/v1/policy', { port: world.ports().device, agent: world.agent(world.device), method: 'POST', headers })
    assert.equal((await poll({ x: 'y'.repeat(deviceBounds.headerBytes - 2_000) })).status, 200)
    assert.equal((await poll({ x: 'y'.repeat(deviceBounds.headerBytes) })).status, 431)
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x${i}`, '']))
    const before = world.site.relayed.length
    assert.equal((await poll(many)).json().code, 'BAD_REQUEST')
    assert.equal(world.site.relayed.length, before)
  })

  test('what a stranger hears says nothing of what answers', async () => {
    const answer = await ask('/', { port: world.ports().device, agent: world.agent() })
    assert.deepEqual(Object.keys(answer.headers).sort(), [
      ...['cache-control', 'connection', 'content-length', 'content-type', 'date'],
    ])
  })
})

test('a connection that is old enough ends with its next answer, however busy it is', async () => {
  const world = await createWorld()
  try {
    const poll = (port: number, agent = world.agent(world.device)) => ask('/v1/policy', { port, agent, method: 'POST' })
    const young = await world.startLinked()
    assert.equal((await poll(young.ports.device)).headers.connection, 'keep-alive')
    await world.stop()
    const old = await world.start({}, { connectionAgeMs: 0 })
    await world.site.connect(old.ports.link)
    await world.logs('link.up', 2)
    const agent = world.agent(world.device)
    for (let i = 0; i < 3; i++) {
      const answer = await poll(old.ports.device, agent)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.connection, 'close')
    }
  } finally {
    await world.close()
  }
})
