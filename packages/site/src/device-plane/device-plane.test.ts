import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeviceId, deviceRoutes, fail, GatewayId, problem, readProblem, Sha256 } from '@sluice/protocol'
import { newId } from '../identity/new-id.ts'
import { createLog, silentLog } from '../log.ts'
import { createDevicePlane, type RelayedCall } from './device-plane.ts'
import type { DeviceHandlers } from './handler.ts'

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const parsed = (body: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(body))

const device: RelayedCall = {
  caller: {
    identity: 'device',
    deviceId: newId('dev', DeviceId),
    certificate: Sha256.parse('a'.repeat(64)),
    expired: false,
    remoteAddress: '192.0.2.1',
  },
  gateway: { gatewayId: newId('gw', GatewayId), kind: 'internet' },
  parameters: {},
  bodyBytes: new Uint8Array(),
  signal: new AbortController().signal,
}
const anonymous: RelayedCall = { ...device, caller: { identity: 'anonymous', remoteAddress: '192.0.2.1' } }

const unused = async () => fail('BUSY', 'not in this test')
const handlers: DeviceHandlers = {
  enrol: unused,
  signIn: unused,
  renew: unused,
  policy: unused,
  catalogueMetadata: async ({ parameters }) => ({ kind: 'bytes', body: bytes(`file ${parameters.file}`) }),
  catalogueTarget: unused,
  contentToken: unused,
  secret: unused,
  status: unused,
}

const status = {
  messages: [
    {
      bootId: 'b',
      seq: 1,
      at: '2026-11-20T12:00:00Z',
      event: { kind: 'deploymentEvaluated', deploymentId: 'dep_0123456789', revision: 1, refusals: [] },
    },
  ],
}

test('a handler gets what the schema of its route let through, and its answer goes out as bytes', async () => {
  const plane = createDevicePlane({
    handlers: { ...handlers, status: async ({ body }) => ({ kind: 'json', body: { accepted: body.messages.length } }) },
    log: silentLog,
  })
  const reply = await plane.handle('status', { ...device, bodyBytes: bytes({ ...status, fromTheFuture: true }) })
  assert.deepEqual([reply.status, reply.contentType, parsed(reply.body)], [200, 'application/json', { accepted: 1 }])
  const file = await plane.handle('catalogueMetadata', { ...device, parameters: { file: 'timestamp.json' } })
  assert.equal(file.contentType, 'application/octet-stream')
  assert.equal(new TextDecoder().decode(file.body), 'file timestamp.json')
})

test('what does not fit is a problem, and no handler hears of it', async () => {
  const plane = createDevicePlane({ handlers, log: silentLog })
  const code = async (routeId: string, call: RelayedCall) => {
    const reply = await plane.handle(routeId, call)
    assert.equal(reply.contentType, 'application/problem+json')
    const reason = readProblem(parsed(reply.body), reply.status)
    return [reply.status, reason.code]
  }
  assert.deepEqual(await code('nothing', device), [404, 'NOT_FOUND'])
  assert.deepEqual(await code('toString', device), [404, 'NOT_FOUND'])
  assert.deepEqual(await code('object', device), [404, 'NOT_FOUND'], 'gateways answer this one')
  assert.deepEqual(await code('policy', anonymous), [401, 'NOT_AUTHENTICATED'])
  const large = new Uint8Array(deviceRoutes.policy.maxBodyBytes + 1)
  assert.deepEqual(await code('policy', { ...device, bodyBytes: large }), [413, 'BODY_TOO_LARGE'])
  for (const body of ['', '{', 'null', '{"messages":[]}', new Uint8Array([0x22, 0xff, 0x22])])
    assert.deepEqual(await code('status', { ...device, bodyBytes: typeof body === 'string' ? bytes(body) : body }), [
      400,
      'BAD_REQUEST',
    ])
  assert.equal(plane.maxBodyBytes('policy'), deviceRoutes.policy.maxBodyBytes)
  assert.equal(plane.maxBodyBytes('object'), undefined)
})

test('each fault of a body is named by its path', async () => {
  const plane = createDevicePlane({ handlers, log: silentLog })
  const wrong = { messages: [{ ...status.messages[0], seq: 'one', bootId: '' }] }
  const reply = await plane.handle('status', { ...device, bodyBytes: bytes(wrong) })
  const { errors } = readProblem(parsed(reply.body), reply.status)
  assert.deepEqual(
    errors?.map((error) => error.path),
    ['messages[0].bootId', 'messages[0].seq'],
  )
})

test('a surprise is told by its id only; the log has the cause', async () => {
  const lines: string[] = []
  const plane = createDevicePlane({
    handlers: {
      ...handlers,
      status: async () => {
        throw new Error('the password is swordfish')
      },
    },
    log: createLog((line) => lines.push(line)),
  })
  const reply = await plane.handle('status', { ...device, bodyBytes: bytes(status) })
  const text = new TextDecoder().decode(reply.body)
  assert.equal(reply.status, 500)
  assert.ok(!text.includes('swordfish'))
  const { detail } = readProblem(JSON.parse(text), 500)
  const logged = JSON.parse(lines[0] ?? '')
  assert.ok(detail.includes(logged.id))
  assert.match(logged.error.message, /swordfish/)
})

test('a route without a handler keeps the site from starting', () => {
  const { policy: _, ...incomplete } = handlers
  assert.throws(() => createDevicePlane({ handlers: incomplete as DeviceHandlers, log: silentLog }), /policy/)
})

test('problems keep their code and their advice on the way', async () => {
  const plane = createDevicePlane({
    handlers: { ...handlers, status: async () => fail('BUSY', 'full', { retryAfterMs: 1500 }) },
    log: silentLog,
  })
  const reply = await plane.handle('status', { ...device, bodyBytes: bytes(status) })
  assert.deepEqual(parsed(reply.body), problem('BUSY', 'full', { retryAfterMs: 1500 }))
  assert.equal(reply.status, 503)
})
