/** The first bytes of real TLS clients, whole, in pieces, and spoilt. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { MAX_HELLO_BYTES, readClientHello } from './client-hello.ts'

/** What a client says first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ host: '127.0.0.1', port, ...options })
  client.on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return bytes
}

describe('the server name of a connection', () => {
  const hellos: Record<string, Buffer> = {}
  before(async () => {
    hellos.name = await helloOf({ servername: 'Gateway.Example' })
    hellos.old = await helloOf({ servername: 'gateway.example', maxVersion: 'TLSv1.2' })
    hellos.none = await helloOf({})
  })
  after(() => {})

  const whole = (name: string) => hellos[name] ?? Buffer.alloc(0)

  test('is read in small letters, from TLS 1.2 and 1.3, and may be missing', () => {
    assert.deepEqual(readClientHello(whole('name')), { kind: 'hello', serverName: 'gateway.example' })
    assert.deepEqual(readClientHello(whole('old')), { kind: 'hello', serverName: 'gateway.example' })
    assert.deepEqual(readClientHello(whole('none')), { kind: 'hello', serverName: undefined })
  })

  test('is waited for, byte by byte', () => {
    const bytes = whole('name')
    for (let length = 0; length < bytes.length; length++)
      assert.deepEqual(readClientHello(bytes.subarray(0, length)), { kind: 'more' }, `${length}`)
  })

  test('is found when the message is spread over many records', () => {
    const message = whole('name').subarray(5)
    for (const size of [1, 3, 100]) {
      const records: Buffer[] = []
      for (let at = 0; at < message.length; at += size) {
        const part = message.subarray(at, at + size)
        records.push(Buffer.from([22, 3, 1, 0, part.length]), part)
      }
      const spread = Buffer.concat(records)
      assert.deepEqual(readClientHello(spread), { kind: 'hello', serverName: 'gateway.example' })
      assert.deepEqual(readClientHello(spread.subarray(0, spread.length - 1)), { kind: 'more' })
    }
  })

  test('of what is no TLS, or too long, there is none', () => {
    for (const text of [
      'GET / HTTP/1.1\r\n',
      'SSH-2.0-x\r\n',
      '\x15\x03\x01\x00\x02',
      '\x16\x02',
      '\x16\x03\x01\x00\x00',
      '\x16\x03\x01\x00\x04\x02',
    ])
      assert.deepEqual(readClientHello(Buffer.from(text, 'latin1')), { kind: 'refused' }, JSON.stringify(text))
    const endless = Buffer.concat([Buffer.from([22, 3, 1, 255, 255, 1, 0, 255, 255]), Buffer.alloc(MAX_HELLO_BYTES)])
    assert.deepEqual(readClientHello(endless), { kind: 'refused' })
  })

  test('bytes that were changed never do worse than being refused', () => {
    const bytes = whole('name')
    for (let at = 0; at < bytes.length; at++)
      for (const value of [0, 1, 127, 255]) {
        const spoilt = Buffer.from(bytes)
        spoilt[at] = value
        assert.ok(['more', 'hello', 'refused'].includes(readClientHello(spoilt).kind))
      }
  })
})
