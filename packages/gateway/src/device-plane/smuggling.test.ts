/**
 * Requests that could be read in two ways, as bytes on a real TLS connection, through the gateway to a
 * site that writes down what it sees (SEC-50): nothing, or the one meaning that the table says.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { type AmbiguousRequest, ambiguousRequests } from '../testing/ambiguous-requests.ts'
import { createWorld, deviceId, until, type World } from '../testing/gateway-world.ts'

describe('ambiguous requests', () => {
  let world: World
  let port: number
  before(async () => {
    world = await createWorld()
    port = (await world.startLinked()).ports.device
  })
  after(() => world.close())

  /** Sends it, and gives what was answered when the gateway had its say. */
  async function send({ bytes, sees, waits }: AmbiguousRequest): Promise<string> {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: world.authority.gateway.certificate,
      cert: world.device.cert,
      key: world.device.key,
    })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    // A connection that is reset is refused as well.
    const closed = new Promise((resolve) => socket.once('close', resolve))
    let answer = ''
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1')
      if (sees.length > 0 && answer.split('HTTP/1.1 200 ').length > sees.length) socket.end()
    })
    socket.write(Buffer.from(bytes, 'latin1'))
    if (waits) socket.end()
    await closed
    return answer
  }

  test('there are enough of them, each once', () => {
    const names = new Set(ambiguousRequests.map(({ name }) => name))
    assert.equal(names.size, ambiguousRequests.length)
    assert.ok(names.size >= 200, `${names.size}`)
  })

  for (const request of ambiguousRequests)
    test(`${request.name}: ${request.sees.length === 0 ? 'the site sees nothing' : 'one meaning'}`, async () => {
      world.site.relayed.length = 0
      const answer = await send(request)
      // One whose sender did not wait for the answer may still be on its way.
      await until(() => world.site.relayed.length >= request.sees.length, 'what the site sees')
      if (request.sees.length === 0) assert.doesNotMatch(answer, /^HTTP\/1\.1 [123]/m)
      assert.deepEqual(
        world.site.relayed.map(({ routeId, body }) => `${routeId} ${body.toString()}`),
        request.sees,
      )
      for (const { routeId, caller, headers } of world.site.relayed) {
        assert.equal(caller.identity === 'device' && caller.deviceId, deviceId)
        assert.equal(caller.remoteAddress, '127.0.0.1')
        assert.deepEqual(Object.keys(headers).sort(), [
          ':authority',
          ':method',
          ':path',
          ':scheme',
          'content-length',
          // Who asks for policy stands beside his body: it goes together with others.
          ...(routeId === 'policy' ? [] : ['sluice-caller', 'sluice-parameters']),
        ])
      }
    })

  test('and the gateway goes on serving', async () => {
    world.site.relayed.length = 0
    await send({
      name: '',
      bytes: 'POST /v1/policy HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}',
      sees: ['policy {}'],
      waits: false,
    })
    assert.equal(world.site.relayed.length, 1)
  })
})
