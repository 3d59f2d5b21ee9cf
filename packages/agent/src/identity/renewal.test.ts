import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { problem } from '@sluice/protocol'
import { createGatewayClient } from '../gateway-client/gateway-client.ts'
import { silentLog } from '../log.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { createTestAuthority } from '../testing/test-authority.ts'
import { approvedAnswer, testBundle, testCertificate, testDeviceId } from '../testing/test-device.ts'
import { startTestGateway } from '../testing/test-gateway.ts'
import { until } from '../testing/until.ts'
import { openDeviceKeys } from './device-keys.ts'
import type { Identity } from './identity.ts'
import { createRenewal, renewalDueAt } from './renewal.ts'

const DAY_MS = 24 * 3600_000
const authority = createTestAuthority()

test('a certificate of 30 days is renewed with 10 days left, a shorter one with a third', async (t) => {
  const keys = await openDeviceKeys(temporaryFolder(t))
  const due = (days: number) =>
    renewalDueAt(testCertificate(authority, keys.identity, { fromMs: 0, untilMs: days * DAY_MS })) - Date.now()
  // Certificates know whole seconds.
  assert.ok(Math.abs(due(30) - 20 * DAY_MS) < 60_000)
  assert.ok(Math.abs(due(3) - 2 * DAY_MS) < 60_000)
})

async function world(t: TestContext, untilMs: number, renewed = 30 * DAY_MS) {
  const keys = await openDeviceKeys(temporaryFolder(t))
  const gateway = await startTestGateway(t, {
    renew: () => ({ json: { certificate: testCertificate(authority, keys.identity, { untilMs: renewed }) } }),
  })
  const { format: _, ...site } = testBundle(gateway)
  const certificate = testCertificate(authority, keys.identity, { fromMs: -30 * DAY_MS, untilMs })
  const { trust } = approvedAnswer(certificate)
  let identity: Identity = { v: 1, site, deviceId: testDeviceId, certificate, trust }
  const client = createGatewayClient({ authority: gateway.authority.certificate, gateways: [gateway.address] })
  client.identify({ key: keys.identityPem, certificate })
  const replaced: Identity[] = []
  const renewal = createRenewal({
    identity: () => identity,
    keys,
    client,
    replace: async (next) => {
      replaced.push(next)
      identity = next
      client.identify({ key: keys.identityPem, certificate: next.certificate })
    },
    now: Date.now,
    log: silentLog,
    random: () => 0,
  })
  t.after(async () => {
    await renewal.stop()
    client.close()
  })
  return { gateway, client, renewal, replaced, certificate }
}

for (const [what, untilMs] of [
  ['that ends in 9 days', 9 * DAY_MS],
  ['that has expired', -DAY_MS],
] as const) {
  test(`a certificate ${what} is renewed at the start`, async (t) => {
    const { gateway, renewal, replaced } = await world(t, untilMs)
    renewal.start()
    await until('the certificate is replaced', () => replaced.length === 1)
    assert.deepEqual(
      gateway.requests.map(({ route }) => route),
      ['renew'],
    )
  })
}

test('a fresh certificate is left alone, until the site says that it has expired', async (t) => {
  const { gateway, client, renewal, replaced } = await world(t, 25 * DAY_MS)
  gateway.answers.catalogueMetadata = () => ({
    problem: problem('CERTIFICATE_EXPIRED', 'the clock of the device is wrong'),
  })
  renewal.start()
  await new Promise(setImmediate)
  assert.equal(replaced.length, 0)
  await client.call('catalogueMetadata', { parameters: { file: 'timestamp.json' } })
  await until('the certificate is replaced', () => replaced.length === 1)
})

test('an answer with a certificate for somebody else changes nothing', async (t) => {
  const { gateway, renewal, replaced } = await world(t, DAY_MS)
  const stranger = await openDeviceKeys(temporaryFolder(t))
  gateway.answers.renew = () => ({ json: { certificate: testCertificate(authority, stranger.identity) } })
  renewal.start()
  await until('it was asked', () => gateway.requests.length === 1)
  await renewal.stop()
  assert.equal(replaced.length, 0)
})
