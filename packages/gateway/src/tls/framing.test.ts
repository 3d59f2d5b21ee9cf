/** Requests that could be read in two ways, as bytes on a real TLS connection (SEC-50). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { createWorld, type World } from '../testing/gateway-world.ts'

const HOST = 'Host: gateway.example\r\n'
const SMUGGLED = 'POST /v1/status HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: 2\r\n\r\n{}'

/** Each must be refused: the site sees nothing of it. */
const refused: Record<string, string> = {
  'two hosts': `POST /v1/policy HTTP/1.1\r\n${HOST}Host: other.example\r\nContent-Length: 2\r\n\r\n{}`,
  'no host': 'POST /v1/policy HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}',
  'a host with a path': 'POST /v1/policy HTTP/1.1\r\nHost: a/b\r\nContent-Length: 2\r\n\r\n{}',
  'a host with a user': 'POST /v1/policy HTTP/1.1\r\nHost: a@b\r\nContent-Length: 2\r\n\r\n{}',
  'an absolute target': `POST https://other.example/v1/policy HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`,
  'a target with two slashes': `POST //v1/policy HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`,
  'an asterisk as target': `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
  'a tunnel': 'CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n',
  'both lengths': `POST /v1/policy HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'two lengths': `POST /v1/policy HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 100\r\n\r\n{}${SMUGGLED}`,
  'two equal lengths': `POST /v1/policy HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`,
  'a length with a sign': `POST /v1/policy HTTP/1.1\r\n${HOST}Content-Length: +2\r\n\r\n{}`,
  'a list of lengths': `POST /v1/policy HTTP/1.1\r\n${HOST}Content-Length: 2, 2\r\n\r\n{}`,
  'an unknown transfer coding': `POST /v1/policy HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'a doubled transfer coding': `POST /v1/policy HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
  'a disguised transfer coding': `POST /v1/policy HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}`,
  'a folded header': `POST /v1/policy HTTP/1.1\r\n${HOST}X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}`,
  'bare line feeds': 'POST /v1/policy HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}',
  'an upgrade': `POST /v1/policy HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}`,
  'an upgrade that is only announced': `POST /v1/policy HTTP/1.1\r\n${HOST}Connection: keep-alive, Upgrade\r\nContent-Length: 2\r\n\r\n{}`,
  'an expectation': `POST /v1/policy HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`,
  'an unknown expectation': `POST /v1/policy HTTP/1.1\r\n${HOST}Expect: something\r\nContent-Length: 2\r\n\r\n{}`,
  'an old version': `POST /v1/policy HTTP/1.0\r\n${HOST}Content-Length: 2\r\n\r\n{}`,
  'another protocol': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a compressed body': `POST /v1/policy HTTP/1.1\r\n${HOST}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`,
  'an endless chunk size': `POST /v1/policy HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n`,
  'headers without end': `POST /v1/policy HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(20_000)}`,
}

describe('ambiguous requests', () => {
  let world: World
  let port: number
  before(async () => {
    world = await createWorld()
    port = (await world.startLinked()).ports.device
  })
  after(() => world.close())

  /** Everything the gateway answers until it closes, or until it has answered once. */
  async function send(text: string): Promise<string> {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: world.authority.gateway.certificate,
      cert: world.device.cert,
      key: world.device.key,
    })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    let answer = ''
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString()
      if (answer.includes('HTTP/1.1 200 ')) socket.end()
    })
    socket.write(text)
    // A connection that is reset is refused as well.
    await new Promise((resolve) => socket.once('close', resolve))
    return answer
  }

  test('a plain one is relayed', async () => {
    const answer = await send(`POST /v1/policy HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`)
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.equal(world.site.relayed.length, 1)
    world.site.relayed.length = 0
  })

  for (const [name, text] of Object.entries(refused))
    test(`${name}: refused, and the site sees nothing`, async () => {
      const answer = await send(text)
      assert.doesNotMatch(answer, /^HTTP\/1\.1 [123]/m)
      assert.equal(world.site.relayed.length, 0)
    })

  test('two requests on one connection stay two', async () => {
    const one = `POST /v1/status HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n`
    await send(`${one}{}${one}[]`)
    assert.deepEqual(
      world.site.relayed.map(({ body }) => body.toString()),
      ['{}', '[]'],
    )
  })
})
