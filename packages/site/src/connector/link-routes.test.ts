/** A gateway that asks for what it may not (SEC-51, SEC-52): raw requests on a real link. */
import assert from 'node:assert/strict'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import {
  answerFrameReader,
  batchBounds,
  CALLER_HEADER,
  type Caller,
  deviceRoutes,
  LINK_BULK,
  LINK_CONTROL,
  PARAMETERS_HEADER,
  writeRequestBatch,
} from '@sluice/protocol'
import type { Connector } from './connector.ts'
import { createLinkedSite, type LinkedSite, sha256, until } from './testing/linked-site.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const anonymous = encode({ identity: 'anonymous', remoteAddress: '192.0.2.1' })
const asDevice = (expired = false) =>
  encode({
    identity: 'device',
    deviceId: 'dev_0123456789',
    certificate: 'a'.repeat(64),
    expired,
    remoteAddress: '192.0.2.1',
  })

describe('what the site answers on the link', () => {
  let site: LinkedSite
  let server: Server
  let connector: Connector
  let control: ClientHttp2Session
  let bulk: ClientHttp2Session
  const sockets = new Set<TLSSocket>()
  const pack = Buffer.alloc(1000, 'abcdefghij')

  before(async () => {
    site = await createLinkedSite()
    site.addContent(pack)
    const made = await site.makeGateway('Rogue')
    const sessions = new Map<string, ClientHttp2Session>()
    server = createServer({
      cert: made.certificate,
      key: made.key,
      ca: made.linkAuthority,
      requestCert: true,
      ALPNProtocols: [LINK_CONTROL, LINK_BULK],
    })
    server.on('secureConnection', (socket: TLSSocket) => {
      sockets.add(socket)
      sessions.set(String(socket.alpnProtocol), connect('https://site', { createConnection: () => socket }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await site.moveGateway(made.gatewayId, (server.address() as AddressInfo).port)
    connector = site.connector()
    await connector.start()
    await until(() => sessions.size === 2, 'both connections')
    control = sessions.get(LINK_CONTROL) as ClientHttp2Session
    bulk = sessions.get(LINK_BULK) as ClientHttp2Session
  })
  after(async () => {
    await connector.stop()
    for (const socket of sockets) socket.destroy()
    server.close()
    await site.close()
  })
  beforeEach(() => {
    site.calls.length = 0
  })

  interface Ask {
    method?: string
    headers?: Record<string, string>
    body?: string
    on?: ClientHttp2Session
  }

  function ask(path: string, { method = 'GET', headers = {}, body, on = control }: Ask = {}) {
    return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
      const stream = on.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined })
      let answer: Record<string, unknown> = {}
      let text = ''
      stream.on('response', (found) => {
        answer = found
      })
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
      })
      stream.once('error', reject)
      stream.once('end', () => resolve({ status: Number(answer[':status']), headers: answer, text }))
      if (body !== undefined) stream.end(body)
    })
  }
  const relay = (routeId: string, caller: string, body = '{}', more: Record<string, string> = {}) =>
    ask(`/link/relay/${routeId}`, {
      method: 'POST',
      headers: {
        [CALLER_HEADER]: caller,
        [PARAMETERS_HEADER]: encode({}),
        'content-length': String(Buffer.byteLength(body)),
        ...more,
      },
      body,
    })

  test('a relayed request of a device, and one of a stranger where strangers may ask', async () => {
    assert.equal((await relay('policy', asDevice())).status, 200)
    assert.equal((await relay('enrol', anonymous)).status, 200)
    assert.equal((await relay('renew', asDevice(true))).status, 200)
    assert.deepEqual(
      site.calls.map(({ routeId }) => routeId),
      ['policy', 'enrol', 'renew'],
    )
  })

  for (const [what, routeId, caller, code] of [
    ['a stranger on a route of devices', 'policy', anonymous, 'NOT_AUTHENTICATED'],
    ['an expired certificate where it does not count', 'policy', asDevice(true), 'NOT_AUTHENTICATED'],
    ['a device on the route of strangers', 'enrol', asDevice(), 'NOT_AUTHENTICATED'],
    ['a caller that is none', 'policy', encode({ identity: 'site' }), 'BAD_REQUEST'],
    [
      'a caller with a field too many',
      'enrol',
      encode({ identity: 'anonymous', remoteAddress: '', admin: true }),
      'BAD_REQUEST',
    ],
    ['a caller that cannot be read', 'policy', '%%%', 'BAD_REQUEST'],
    ['a route of the gateway itself', 'object', asDevice(), 'NOT_FOUND'],
    ['a route that is none', 'constructor', asDevice(), 'NOT_FOUND'],
    ['an address instead of a route', 'policy/../../admin', asDevice(), 'NOT_FOUND'],
  ] as const)
    test(`${what}: ${code}, and no handler hears of it`, async () => {
      const answer = await relay(routeId, caller)
      assert.equal(JSON.parse(answer.text).code, code)
      assert.equal(site.calls.length, 0)
    })

  test('of those that come together each is judged alone, and only routes that say so come together', async () => {
    const caller = (expired: boolean) => JSON.parse(Buffer.from(asDevice(expired), 'base64url').toString()) as Caller
    const stranger = { identity: 'anonymous', remoteAddress: '192.0.2.1' } as const
    const body = Buffer.from('{}')
    const batch = writeRequestBatch([caller(false), caller(true), stranger].map((who) => ({ caller: who, body })))
    const together = (routeId: string, bytes: Uint8Array) => {
      const text = Buffer.from(bytes).toString()
      return ask(`/link/relays/${routeId}`, {
        method: 'POST',
        headers: { 'content-length': String(Buffer.byteLength(text)) },
        body: text,
      })
    }
    const { status, text } = await together('policy', batch)
    assert.equal(status, 200)
    const answers = answerFrameReader()(Buffer.from(text, 'latin1'))
    assert.deepEqual(Object.fromEntries(answers.map((one) => [one.request, one.status])), { 0: 200, 1: 401, 2: 401 })
    assert.equal(site.calls.length, 1)
    for (const [routeId, bytes, code] of [
      ['status', batch, 'NOT_FOUND'],
      ['constructor', batch, 'NOT_FOUND'],
      ['policy', Buffer.from('[]\n'), 'BAD_REQUEST'],
      ['policy', batch.subarray(0, -1), 'BAD_REQUEST'],
      ['policy', Buffer.alloc(batchBounds.bytes + 1, 'x'), 'BODY_TOO_LARGE'],
    ] as const)
      assert.equal(JSON.parse((await together(routeId, bytes)).text).code, code)
    assert.equal(site.calls.length, 1)
  })

  test('a body over the bound of its route, or without a length', async () => {
    const { maxBodyBytes } = deviceRoutes.policy
    assert.equal((await relay('policy', asDevice(), 'x'.repeat(maxBodyBytes))).status, 200)
    const large = await relay('policy', asDevice(), 'x'.repeat(maxBodyBytes + 1))
    assert.equal(JSON.parse(large.text).code, 'BODY_TOO_LARGE')
    const unknown = await ask('/link/relay/policy', {
      method: 'POST',
      headers: { [CALLER_HEADER]: asDevice(), [PARAMETERS_HEADER]: encode({}) },
      body: '{}',
    })
    assert.equal(JSON.parse(unknown.text).code, 'BAD_REQUEST')
    assert.equal(site.calls.length, 1)
  })

  test('paths that are not declared, or belong to the other connection', async () => {
    const object = `/link/objects/pack/${sha256(pack)}`
    for (const [path, method, on] of [
      ['/', 'GET', control],
      ['/link/', 'GET', control],
      ['/admin/v1/devices', 'GET', control],
      ['/link/contents/../../admin', 'GET', control],
      ['/link/contents', 'DELETE', control],
      ['/link/events', 'POST', control],
      [object, 'GET', control],
      ['/link/events', 'GET', bulk],
      ['/link/contents', 'GET', bulk],
      ['/link/objects/pack/..', 'GET', bulk],
      [`${object}/more`, 'GET', bulk],
      [`/link/objects/other/${sha256(pack)}`, 'GET', bulk],
    ] as const)
      assert.equal(JSON.parse((await ask(path, { method, on })).text).code, 'NOT_FOUND', `${method} ${path}`)
  })

  test('reports that are none', async () => {
    for (const body of ['', 'null', '{"contentId":"x"}', '{'])
      for (const path of ['/link/content-reports', '/link/traffic-reports']) {
        const headers = { 'content-length': String(body.length) }
        const answer = await ask(path, { method: 'POST', headers, body })
        assert.equal(JSON.parse(answer.text).code, 'BAD_REQUEST')
      }
    assert.deepEqual(site.reports, [])
  })

  test('objects: whole, or from where it broke off', async () => {
    const path = `/link/objects/pack/${sha256(pack)}`
    const whole = await ask(path, { on: bulk })
    assert.deepEqual([whole.status, whole.text], [200, pack.toString()])
    const rest = await ask(path, { on: bulk, headers: { range: 'bytes=990-' } })
    assert.deepEqual([rest.status, rest.text], [206, 'abcdefghij'])
    assert.equal(rest.headers['content-range'], 'bytes 990-999/1000')
    for (const range of ['bytes=1000-', 'bytes=5-9', 'bytes=-5', 'bytes=0-,5-', 'bits=5-'])
      assert.equal((await ask(path, { on: bulk, headers: { range } })).status, 416, range)
    const gone = await ask(`/link/objects/pack/${'f'.repeat(64)}`, { on: bulk })
    assert.equal(JSON.parse(gone.text).code, 'PACK_GONE')
  })

  test('a handler hears when the gateway gives up', async () => {
    const plain = site.onCall
    site.onCall = () => new Promise(() => {})
    const stream = control.request({
      ':method': 'POST',
      ':path': '/link/relay/policy',
      [CALLER_HEADER]: asDevice(),
      [PARAMETERS_HEADER]: encode({}),
      'content-length': '2',
    })
    stream.on('error', () => {})
    stream.end('{}')
    await until(() => site.calls.length === 1, 'the call')
    stream.close(8)
    await until(() => site.calls[0]?.signal.aborted === true, 'the end')
    site.onCall = plain
  })

  test('one stream of events for each connection', async () => {
    const first = control.request({ ':path': '/link/events' })
    await new Promise((resolve) => first.once('data', resolve))
    const second = await ask('/link/events')
    assert.equal(JSON.parse(second.text).code, 'CONFLICT')
    first.close()
  })
})
