import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type GatewayCreate, GatewayId, gatewayUri, ProblemError, readJoinCode } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { z } from 'zod'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { openSiteIdentity } from '../identity/site-identity.ts'
import { silentLog } from '../log.ts'
import { makeDeviceKey } from '../testing/device-key.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { createGateways } from './gateways.ts'

async function withGateways(
  db: Kysely<Database>,
  body: (
    area: Awaited<ReturnType<typeof open>> & { request: (name: string) => Promise<z.output<typeof GatewayCreate>> },
  ) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'site-gateways-'))
  try {
    const opened = await open(db, folder)
    await body({
      ...opened,
      request: async (name) => ({
        name,
        kind: 'internet',
        deviceUrl: 'https://edge.example:8443',
        enrolmentUrl: 'https://edge.example:8444',
        linkAddress: '[::1]:8445',
        serveContent: true,
      }),
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function open(db: Kysely<Database>, folder: string) {
  const clock = createManualClock()
  const identity = await openSiteIdentity({ db, folder, clock, log: silentLog })
  const changed: GatewayId[] = []
  const gateways = createGateways({ db, identity, clock, log: silentLog })
  gateways.onChange((id) => void changed.push(id))
  return { clock, identity, gateways, changed }
}

const refused = (attempt: Promise<unknown>, code: string) =>
  assert.rejects(attempt, (error) => error instanceof ProblemError && error.problem.code === code)

onEveryDatabase('a gateway gets a certificate of its name and addresses, and devices hear of it', async (db) =>
  withGateways(db, async ({ gateways, identity, request, changed }) => {
    const offer = await gateways.create(await request('Edge'))
    const { gatewayId } = offer
    const code = readJoinCode(offer.code)
    assert.ok(code.ok)
    const { secret, linkAuthority } = code.value
    const csr = await (await makeDeviceKey()).request()
    const certificate = new X509Certificate((await gateways.join(gatewayId, { secret, csr })).certificate)
    const names = certificate.subjectAltName ?? ''
    assert.ok(names.includes(`URI:${gatewayUri(identity.siteId, gatewayId)}`), names)
    assert.ok(names.includes('DNS:edge.example') && names.includes('IP Address:0:0:0:0:0:0:0:1'), names)
    assert.ok(certificate.verify(new X509Certificate(identity.gatewayAuthority).publicKey))
    assert.equal(linkAuthority, identity.linkAuthority)
    assert.deepEqual(changed, [gatewayId])
    assert.deepEqual(await gateways.addresses(), [
      {
        gatewayId,
        name: 'Edge',
        kind: 'internet',
        deviceUrl: 'https://edge.example:8443',
        enrolmentUrl: 'https://edge.example:8444',
      },
    ])
  }),
)

onEveryDatabase('what cannot be a gateway leaves nothing behind', async (db) =>
  withGateways(db, async ({ gateways, request }) => {
    await gateways.create(await request('Edge'))
    await refused(gateways.create(await request('Edge')), 'CONFLICT')
    await refused(gateways.change('gw_9999999999', { serveContent: false }), 'NOT_FOUND')
    await refused(gateways.change('nonsense', {}), 'NOT_FOUND')
    assert.equal((await gateways.list()).length, 1)
  }),
)

onEveryDatabase('content is switched off and on', async (db) =>
  withGateways(db, async ({ gateways, request, changed }) => {
    const { gatewayId } = await gateways.create(await request('Edge'))
    assert.equal((await gateways.change(gatewayId, { serveContent: false })).serveContent, false)
    assert.equal((await gateways.list())[0]?.serveContent, false)
    assert.equal((await gateways.change(gatewayId, {})).serveContent, false)
    assert.equal((await gateways.change(gatewayId, { serveContent: true })).serveContent, true)
    assert.equal(changed.length, 4)
  }),
)

onEveryDatabase('traffic adds up over restarts of a gateway, and late reports count for nothing', async (db) =>
  withGateways(db, async ({ gateways, request }) => {
    const { gatewayId } = await gateways.create(await request('Edge'))
    const report = (startedAt: string, packBytes: number, pageBytes: number) =>
      gateways.recordTraffic(gatewayId, { startedAt, packBytes, pageBytes, requests: 1 })
    const served = async () => {
      const [info] = await gateways.infos()
      return [info?.packBytesServed, info?.pageBytesServed]
    }
    assert.deepEqual(await served(), [0, 0])
    const first = '2026-11-20T10:00:00.000Z'
    const second = '2026-11-20T11:00:00.000Z'
    await report(first, 100, 10)
    await report(first, 500, 50)
    await report(first, 400, 40)
    assert.deepEqual(await served(), [500, 50])
    await report(second, 7, 0)
    assert.deepEqual(await served(), [507, 50])
    await report(first, 9_000, 9_000)
    await report(second, 20, 1)
    assert.deepEqual(await served(), [520, 51])
    await gateways.recordTraffic(GatewayId.parse('gw_9999999999'), {
      startedAt: second,
      packBytes: 1,
      pageBytes: 1,
      requests: 1,
    })
    assert.deepEqual(await served(), [520, 51])
  }),
)

onEveryDatabase('a link that is down says since when, however often it is tried', async (db) =>
  withGateways(db, async ({ gateways, request }) => {
    const { gatewayId } = await gateways.create(await request('Edge'))
    const link = async () => (await gateways.infos())[0]?.link
    assert.equal((await link())?.state, 'down')
    gateways.recordLink(gatewayId, { state: 'up', since: '2026-11-20T10:00:00.000Z' })
    assert.deepEqual(await link(), { state: 'up', since: '2026-11-20T10:00:00.000Z' })
    gateways.recordLink(gatewayId, { state: 'down', since: '2026-11-20T11:00:00.000Z' })
    gateways.recordLink(gatewayId, { state: 'down', since: '2026-11-20T11:00:05.000Z' })
    assert.deepEqual(await link(), { state: 'down', since: '2026-11-20T11:00:00.000Z' })
  }),
)

onEveryDatabase(
  'a certificate is renewed for the same name and addresses; its end is shown once it was seen',
  async (db) =>
    withGateways(db, async ({ gateways, clock, request }) => {
      const { gatewayId } = await gateways.create(await request('Edge'))
      const csr = await (await makeDeviceKey()).request()
      const first = await gateways.renew(gatewayId, { csr })
      clock.advance(24 * 3600_000)
      const renewed = await gateways.renew(gatewayId, { csr })
      const [before, now] = [new X509Certificate(first.certificate), new X509Certificate(renewed.certificate)]
      assert.equal(now.subjectAltName, before.subjectAltName)
      assert.ok(now.validToDate > before.validToDate)
      await refused(gateways.renew(gatewayId, { csr: 'nonsense' }), 'BAD_REQUEST')
      await refused(gateways.renew(GatewayId.parse('gw_9999999999'), { csr }), 'NOT_FOUND')

      assert.equal((await gateways.infos())[0]?.certificateExpiresAt, undefined)
      gateways.recordCertificate(gatewayId, now.validToDate.getTime())
      assert.equal((await gateways.infos())[0]?.certificateExpiresAt, now.validToDate.toISOString())
    }),
)

onEveryDatabase('a join code is good for one gateway, once, for a day, and until there is a newer one', async (db) =>
  withGateways(db, async ({ gateways, clock, request }) => {
    const secretOf = ({ code }: { code: string }) => {
      const read = readJoinCode(code)
      assert.ok(read.ok)
      return read.value.secret
    }
    const csr = await (await makeDeviceKey()).request()
    const first = await gateways.create(await request('Edge'))
    const other = await gateways.create(await request('Other'))
    const { gatewayId } = first
    assert.ok((await gateways.list()).every(({ awaitsJoin }) => awaitsJoin))
    await refused(gateways.join(gatewayId, { secret: secretOf(other), csr }), 'NOT_AUTHENTICATED')
    await refused(gateways.join(gatewayId, { secret: secretOf(first), csr: 'nonsense' }), 'BAD_REQUEST')

    const racers = Array.from({ length: 20 }, () => gateways.join(gatewayId, { secret: secretOf(first), csr }))
    const won = (await Promise.allSettled(racers)).filter(({ status }) => status === 'fulfilled')
    assert.equal(won.length, 1)
    const waits = async () => (await gateways.list()).find(({ id }) => id === gatewayId)?.awaitsJoin
    assert.equal(await waits(), false)

    const second = await gateways.offerJoin(gatewayId)
    const third = await gateways.offerJoin(gatewayId)
    const info = async () => (await gateways.infos()).find(({ id }) => id === gatewayId)
    assert.equal((await info())?.joinCodeExpiresAt, third.expiresAt)
    await refused(gateways.join(gatewayId, { secret: secretOf(second), csr }), 'NOT_AUTHENTICATED')
    clock.advance(24 * 3600_000 + 1)
    await refused(gateways.join(gatewayId, { secret: secretOf(third), csr }), 'NOT_AUTHENTICATED')
    assert.equal((await info())?.joinCodeExpiresAt, undefined)
  }),
)

onEveryDatabase('a gateway moves, and is forgotten', async (db) =>
  withGateways(db, async ({ gateways, request, changed }) => {
    const { gatewayId } = await gateways.create(await request('Edge'))
    const moved = {
      deviceUrl: 'https://new.example',
      enrolmentUrl: 'https://new.example',
      linkAddress: 'new.example:443',
    }
    await gateways.change(gatewayId, moved)
    assert.equal((await gateways.addresses())[0]?.deviceUrl, 'https://new.example')
    assert.equal((await gateways.list())[0]?.linkAddress, 'new.example:443')
    await gateways.remove(gatewayId)
    assert.deepEqual(await gateways.list(), [])
    assert.equal(changed.length, 3)
    await refused(gateways.remove(gatewayId), 'NOT_FOUND')
  }),
)
