import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CatalogueInfo, SiteId, type TrafficReport } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { openSiteIdentity } from '../identity/site-identity.ts'
import { silentLog } from '../log.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { createAlarms } from './alarms.ts'
import { createGateways } from './gateways.ts'

const DAY = 24 * 3600_000

onEveryDatabase('thresholds, a gateway that stops and starts again, and what expires', async (db) => {
  const folder = await mkdtemp(join(tmpdir(), 'site-alarms-'))
  try {
    const clock = createManualClock()
    const identity = await openSiteIdentity({ db, folder, clock, log: silentLog })
    const gateways = createGateways({ db, identity, clock, log: silentLog })
    const changed: string[] = []
    gateways.onChange((id) => void changed.push(id))
    const address = { deviceUrl: 'https://edge.example', enrolmentUrl: 'https://edge.example' }
    const { gatewayId: id } = await gateways.create({
      ...{ name: 'Edge', kind: 'internet', ...address, linkAddress: 'edge.example:443', serveContent: true },
    })
    gateways.recordLink(id, { state: 'up', since: new Date(clock.now()).toISOString() })
    const signatures: CatalogueInfo['signatures'] = []
    const catalogue = {
      siteId: SiteId.parse('site_0123456789'),
      mode: 'offline',
      keys: [],
      rootThreshold: 1,
      waiting: 0,
    } as const
    const alarms = createAlarms({
      ...{ db, clock, gateways: gateways.infos },
      catalogue: async () => ({ ...catalogue, keys: [], signatures }),
    })
    const found = async () => (await alarms()).map(({ kind, severity }) => `${kind} ${severity}`)
    const serves = async () => (await gateways.list())[0]?.serveContent
    const startedAt = new Date(clock.now()).toISOString()
    const report = (packBytes: number): TrafficReport => ({ startedAt, packBytes, pageBytes: 0, requests: 1 })
    const outbound = { limitBytes: 1000, warningPercent: 50, criticalPercent: 90, stopWhenCritical: true }
    assert.deepEqual(await found(), [])

    await gateways.change(id, { outbound })
    await gateways.recordTraffic(id, report(500))
    assert.deepEqual(await found(), [], 'at the percentage is not above it')
    await gateways.recordTraffic(id, report(501))
    assert.deepEqual(await found(), ['outbound warning'])
    assert.equal(await serves(), true)
    changed.length = 0
    await gateways.recordTraffic(id, report(901))
    assert.deepEqual(await found(), ['stopped critical'])
    assert.equal(await serves(), false)
    assert.deepEqual(changed, [id], 'the gateway and the devices hear of it')

    await gateways.change(id, { serveContent: true })
    assert.equal(await serves(), false, 'the threshold is what stops it')
    const raised = await gateways.change(id, { outbound: { ...outbound, limitBytes: 10_000 } })
    assert.deepEqual([raised.stoppedAt, raised.outboundBytes], [undefined, 901])
    assert.equal(await serves(), true)
    assert.deepEqual(await found(), [])

    await gateways.change(id, { outbound: { ...outbound, stopWhenCritical: false } })
    assert.deepEqual(await found(), ['outbound critical'])
    clock.advance(13 * DAY)
    assert.deepEqual(await found(), ['outbound critical'])
    clock.advance(DAY)
    assert.deepEqual(await found(), [], '14 days later it counts no more')

    gateways.recordCertificate(id, clock.now() + 29 * DAY)
    assert.deepEqual(await found(), ['certificate warning'])
    gateways.recordCertificate(id, clock.now() + 2 * DAY)
    signatures.push({
      role: 'root',
      version: 1,
      expiresAt: new Date(clock.now() + 13 * DAY).toISOString(),
      warningDays: 14,
    })
    gateways.recordLink(id, { state: 'down', since: startedAt })
    assert.deepEqual(await found(), ['link critical', 'certificate critical', 'signature warning'])
  } finally {
    await rm(folder, { recursive: true })
  }
})
