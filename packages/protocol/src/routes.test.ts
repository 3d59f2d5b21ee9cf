import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DeviceRoute, devicePath, deviceRoutes, matchDeviceRoute } from './routes.ts'

test('every route finds itself', () => {
  for (const [id, route] of Object.entries(deviceRoutes) as [keyof typeof deviceRoutes, DeviceRoute][]) {
    const path = devicePath(id, { file: '2.root.json', sha256: 'a'.repeat(64), kind: 'pack', hash: 'b'.repeat(64) })
    assert.equal(matchDeviceRoute(route.method, path)?.id, id)
  }
})

for (const [method, path] of [
  ['GET', '/v1/policy'],
  ['POST', '/v1/policy/'],
  ['POST', '//v1/policy'],
  ['POST', '/v1/./policy'],
  ['POST', '/V1/policy'],
  ['GET', '/v1/catalogue/metadata/..'],
  ['GET', '/v1/catalogue/metadata/%2e%2e'],
  ['GET', '/v1/catalogue/metadata/a/b'],
  ['GET', '/v1/catalogue/metadata/.hidden'],
  ['GET', `/v1/catalogue/metadata/${'a'.repeat(201)}`],
  ['GET', '/'],
  ['GET', ''],
] as const)
  test(`${method} ${path.slice(0, 60)} is no route`, () => assert.equal(matchDeviceRoute(method, path), undefined))

test('only enrolment and health are reached without a certificate', () => {
  const open = Object.entries(deviceRoutes).filter(([, route]) => route.identity === 'anonymous')
  assert.deepEqual(open.map(([id]) => id).sort(), ['enrol', 'health', 'signIn'])
})
