/**
 * A half-dead pack is rewritten while a device is in the middle of a download from it, with the site killed at
 * every step. The device sleeps for days meanwhile: then the layout it works with is of no use, and it goes on
 * with the new one.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import type { AdminClient, CollectionReport, DistributionPointId } from '@sluice/protocol'
import { jobDone, must } from '../administrator.ts'
import { seededBytes } from '../demo/seeded-bytes.ts'
import { signalAgent } from '../device/processes.ts'
import type { Line } from '../line.ts'
import { until } from '../until.ts'
import { contentStep, effectStep, scenarioPackage, startWorld } from './world.ts'

const MiB = 1024 * 1024
const FIRST_BYTES = 60 * MiB
/** Two fifths of the pack of the first version. */
const LEFT_BYTES = 24 * MiB
/** Ranges that were under way when the device fell asleep, and when their pack was gone. */
const IN_FLIGHT_BYTES = 16 * MiB
const DAY_MS = 24 * 3600_000
const { id } = scenarioPackage(1)
const left = seededBytes(id, FIRST_BYTES).subarray(0, LEFT_BYTES)

const azurite = await startAzurite()
after(() => azurite.close())

const places: Record<string, ((line: Line) => Promise<DistributionPointId[]>) | undefined> = {
  "a gateway's folder": undefined,
  'cloud storage': async (line) => {
    const credential = { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey } as const
    const containerUrl = azurite.containerUrl(await azurite.createContainer())
    const storage = { kind: 'azureBlob', containerUrl, prefix: 'sluice/', credential } as const
    return [must(await line.admin.call('createDistributionPoint', { body: { name: 'cloud', storage } })).id]
  },
}

for (const [place, points] of Object.entries(places))
  test(`a pack in ${place} is rewritten under a device that sleeps in the middle of a download`, {
    timeout: 600_000,
  }, async () => {
    await using resources = new AsyncDisposableStack()
    const world = await startWorld({
      resources,
      steps: [effectStep('before'), contentStep(1)].join(''),
      ...{ packages: 1, packageBytes: FIRST_BYTES, bytesPerSecond: 4 * MiB },
      async points(line) {
        const folder = dirname(line.connectionFile)
        await letGoAtOnce(line, join(folder, '../gateway/gateway.json'))
        await leaveLittle(line.admin, join(folder, '../../sources/next'))
        return points?.(line) ?? [line.gatewayId]
      },
    })
    const { line, device } = world
    const { admin, site } = line
    const data = join(world.folder, 'line')

    /** Kills the site, lets days pass in its database, and starts it again. */
    const later = async (ms: number) => {
      await site.kill()
      using db = new DatabaseSync(join(data, 'site/site.db'))
      for (const [table, column] of Object.entries({
        ...{ packs: 'created_at', layout_moves: 'changed_at', condemned_objects: 'condemned_at' },
        ...{ content_leases: 'until', leases: 'until' },
      }))
        db.exec(`update ${table} set ${column} = ${column} - ${ms}`)
      await site.start()
    }
    /** Collects, with a kill of the site in the middle, until the report is as wanted. */
    const collectUntil = async (what: string, wanted: (report: CollectionReport) => boolean, killAfterMs: number) => {
      const broken = admin.call('collectContent').catch(() => undefined)
      await sleep(killAfterMs)
      await later(120_000)
      await broken
      return await until(async () => {
        const report = await admin.call('collectContent')
        return report.ok && wanted(report.value) && report.value
      }, what)
    }
    const layoutOf = () => {
      using db = new DatabaseSync(join(data, 'site/site.db'), { readOnly: true })
      const row = db.prepare('select layout_hash, content_id from package_versions where version = 2').get()
      return row as { layout_hash: string; content_id: string }
    }
    const before = layoutOf()

    await world.install()
    const configuration = join(dirname(device.stateFolder), 'agent.json')
    await until(
      async () => ((await world.progress())?.download?.doneBytes ?? 0) > 3 * MiB,
      'the middle of the download',
    )
    assert.ok((await signalAgent(configuration, 'SIGSTOP')) > 0)
    try {
      await later(2 * DAY_MS)
      const moving = (report: CollectionReport) => report.movingVersions === 1 && report.latePoints.length === 0
      await collectUntil('the next packs at the point', moving, 150)
      await later(DAY_MS / 4)
      await collectUntil('the new layout', () => layoutOf().layout_hash !== before.layout_hash, 50)
      await later(2 * DAY_MS)
      const condemned = await collectUntil('the old pack to be condemned', (one) => one.movingVersions === 0, 100)
      assert.ok(condemned.waitingBytes > FIRST_BYTES)
      await later(2 * DAY_MS)
      await collectUntil('the old pack to be deleted', ({ waitingObjects }) => waitingObjects === 0, 50)
      // A gateway without the old pack, or storage without it.
      await sleep(3_000)
    } finally {
      await signalAgent(configuration, 'SIGCONT')
    }

    const report = await world.finished()
    assert.equal(report.result, 'success', JSON.stringify(report.problem))
    const hash = createHash('sha256').update(left).digest('hex').slice(0, 16)
    assert.deepEqual(await world.effects(), ['before', hash])
    assert.equal(layoutOf().content_id, before.content_id, 'what is signed did not change')
    assert.ok(world.wire.carriedBytes() < LEFT_BYTES + IN_FLIGHT_BYTES, `${world.wire.carriedBytes()} bytes came`)
  })

/** Another version, of which the first has all the bytes; the first is deleted. */
async function leaveLittle(admin: AdminClient, folder: string): Promise<void> {
  await mkdir(folder)
  await writeFile(join(folder, 'content.bin'), left)
  await jobDone(admin, must(await admin.call('updatePackage', { id, body: { folder } })).jobId)
  must(await admin.call('deletePackage', { id, body: { version: 1 } }))
}

/** Has the gateway let go of objects that no list names. */
async function letGoAtOnce(line: Line, path: string): Promise<void> {
  await line.gateway.stop()
  const configuration = JSON.parse(await readFile(path, 'utf8')) as object
  await writeFile(path, JSON.stringify({ ...configuration, unreferencedGraceMs: 0 }))
  await line.gateway.start()
}
