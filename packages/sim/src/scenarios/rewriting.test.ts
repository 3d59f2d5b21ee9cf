/**
 * Half-dead packs are rewritten while devices are in the middle of downloads from them, one from a gateway's
 * folder and one from cloud storage, with the site killed at every step: its disk hangs there. The devices sleep
 * for days meanwhile. Then the layout that they work with is of no use, and they go on with the new one.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import type { AdminClient, CollectionReport, DistributionPointId } from '@sluice/protocol'
import { deployTo, distribute, importPackage, jobDone, must } from '../administrator.ts'
import { seededBytes } from '../demo/seeded-bytes.ts'
import { type ManagedDevice, shown, startManagedDevice } from '../device/managed-device.ts'
import { signalAgent } from '../device/processes.ts'
import type { Line } from '../line.ts'
import { type SlowWire, startSlowWire } from '../slow-wire.ts'
import type { HangOrder } from '../testing/hanging-disk.ts'
import { until } from '../until.ts'
import { contentStep, effectStep, runsOf, scenarioPackage, startWorld } from './world.ts'

const MiB = 1024 * 1024
const FIRST_BYTES = 30 * MiB
/** Two fifths of the pack of the first version. */
const LEFT_BYTES = 12 * MiB
/** What a device has when it falls asleep. */
const HELD_BYTES = 3 * MiB
/** Ranges that were under way when their pack was gone. */
const IN_FLIGHT_BYTES = 5 * MiB
/** Small chunks that share a frame of the new pack with others that the device has: one a stream at most. */
const SHARED_BYTES = MiB
const [SLOW, FAST] = [2 * MiB, 64 * MiB]
const HOUR_MS = 3600_000
const { id: first } = scenarioPackage(1)
const { id: second } = scenarioPackage(2)
const left = (id: string) => seededBytes(id, FIRST_BYTES).subarray(0, LEFT_BYTES)

const azurite = await startAzurite()
after(() => azurite.close())

test('packs are rewritten under devices that sleep in the middle of a download', { timeout: 600_000 }, async () => {
  await using resources = new AsyncDisposableStack()
  const cloudWire = await startSlowWire(azurite.port, FAST)
  resources.defer(() => cloudWire.close())
  const world = await startWorld({
    resources,
    steps: [effectStep('before'), contentStep(1)].join(''),
    ...{ packages: 1, packageBytes: FIRST_BYTES, bytesPerSecond: FAST },
    async points(line) {
      const folder = dirname(line.connectionFile)
      const sources = join(folder, '../../sources')
      await letGoAtOnce(line, join(folder, '../gateway/gateway.json'))
      await mkdir(join(sources, 'content-2'))
      await writeFile(join(sources, 'content-2/content.bin'), seededBytes(second, FIRST_BYTES))
      await importPackage(line.admin, scenarioPackage(2), sources)
      for (const id of [first, second]) await leaveLittle(line.admin, id, join(sources, `next-${id}`))
      await distribute(line.admin, await cloudPoint(line, cloudWire), [second])
      return [line.gatewayId]
    },
  })
  const { line, folder } = world
  const { admin, site } = line
  const data = join(folder, 'line')
  const other = await secondDevice(line, join(folder, 'device-2'), resources)
  const sleepers = [
    { id: first, device: world.device, wire: world.wire, runs: world },
    { id: second, device: other.device, wire: cloudWire, runs: other.runs },
  ]
  const ask = <T>(sql: string): T[] => {
    using db = new DatabaseSync(join(data, 'site/site.db'), { readOnly: true, timeout: 5_000 })
    return db.prepare(sql).all() as T[]
  }
  /** Lets time pass in the database. */
  const pass = (ms: number) => {
    using db = new DatabaseSync(join(data, 'site/site.db'), { timeout: 5_000 })
    for (const [table, column] of Object.entries({
      ...{ packs: 'created_at', layout_moves: 'changed_at', condemned_objects: 'condemned_at' },
      ...{ content_leases: 'until', leases: 'until' },
    }))
      db.exec(`update ${table} set ${column} = ${column} - ${ms}`)
  }
  const order = join(folder, 'hang.json')
  const restart = async () => {
    await site.kill()
    // What the killed process held is anybody's.
    pass(2 * 60_000)
    await site.start([], new URL(`../testing/hanging-disk.ts?${encodeURIComponent(order)}`, import.meta.url))
  }
  /** Kills the site where its disk hangs while it collects. `inBetween` looks at what it leaves. */
  const killAt = async (hang: HangOrder, inBetween: () => Promise<void> | void) => {
    await writeFile(order, JSON.stringify(hang))
    const broken = admin.call('collectContent').catch(() => undefined)
    await until(() => exists(`${order}.hung`), `the disk to hang: ${JSON.stringify(hang)}`, 60_000)
    await site.kill()
    await broken
    await inBetween()
    await rm(`${order}.hung`)
    await restart()
  }
  const collectUntil = (what: string, wanted: (report: CollectionReport) => boolean) =>
    until(async () => {
      const report = await admin.call('collectContent')
      return report.ok && wanted(report.value) && report.value
    }, what)
  const layouts = () =>
    ask<{ id: string; layout: string; content: string }>(
      'select package_id as id, layout_hash as layout, content_id as content from package_versions where version = 2 order by 1',
    )
  const statesOf = () => ask<{ state: string }>('select state from layout_moves').map(({ state }) => state)
  const before = layouts()
  /** Not the small ones, with the last chunks of the second versions. */
  const oldPacks = ask<{ hash: string }>(`select hash from packs where size_bytes > ${LEFT_BYTES}`).map(
    ({ hash }) => hash,
  )

  for (const { wire, runs, device, id } of sleepers) {
    wire.setRate(SLOW)
    await runs.install()
    const doneBytes = await until(async () => {
      const done = (await runs.progress())?.download?.doneBytes ?? 0
      return done > HELD_BYTES && done
    }, `the middle of the download of ${id}`)
    assert.ok((await signalAgent(configurationOf(device), 'SIGSTOP')) > 0)
    assert.ok(doneBytes < LEFT_BYTES - IN_FLIGHT_BYTES, `${doneBytes} bytes were there already`)
    wire.setRate(FAST)
  }
  try {
    await restart()
    pass(48 * HOUR_MS)
    await killAt({ call: 'open', path: '/content/packs/', after: 20 }, async () => {
      const unfinished = await readdir(join(data, 'site/staging'))
      assert.ok(
        unfinished.some((name) => name.startsWith('pack-')),
        'a pack was being written',
      )
      assert.deepEqual(statesOf(), [])
    })
    await killAt({ call: 'rename', path: '/content/pages/', after: 1 }, () => {
      assert.deepEqual(statesOf(), [], 'no layout was whole')
      assert.ok(ask('select hash from packs where rewritten = 1').length > 0, 'what lives was copied')
    })
    await collectUntil('the next packs at the points', () => statesOf().join() === 'both,both')
    pass(6 * HOUR_MS)
    await killAt({ call: 'opendir', path: '/content/packs', after: 0 }, () => {
      assert.deepEqual(statesOf(), ['switched', 'switched'])
      for (const [i, { layout }] of layouts().entries()) assert.notEqual(layout, before[i]?.layout)
    })
    pass(48 * HOUR_MS)
    await killAt({ call: 'opendir', path: '/content/packs', after: 0 }, () => {
      const condemned = ask<{ hash: string }>("select hash from condemned_objects where kind = 'pack'")
      for (const hash of oldPacks) assert.ok(condemned.some((one) => one.hash === hash))
    })
    pass(49 * HOUR_MS)
    await killAt({ call: 'rm', path: '/content/packs/', after: 1 }, () => {
      assert.notEqual(ask("select hash from condemned_objects where state = 'deleting'").length, 0)
    })
    await collectUntil('the old packs to be deleted', ({ waitingObjects }) => waitingObjects === 0)
    for (const hash of oldPacks) {
      assert.ok(!(await exists(join(data, 'site/content/packs', hash.slice(0, 2), hash))))
      const atGateway = join(data, 'gateway/content/packs', hash.slice(0, 2), hash)
      await until(async () => !(await exists(atGateway)), 'the gateway to let go of an old pack')
      await until(
        () => ask(`select hash from point_objects where hash = '${hash}'`).length === 0,
        'the cloud to be rid of an old pack',
      )
    }
  } finally {
    for (const { device } of sleepers) await signalAgent(configurationOf(device), 'SIGCONT')
  }

  for (const { id, runs } of sleepers) {
    const report = await runs.finished()
    assert.equal(report.result, 'success', JSON.stringify(report.problem))
    const hash = createHash('sha256').update(left(id)).digest('hex').slice(0, 16)
    assert.deepEqual(await runs.effects(), ['before', hash])
    const log = await readFile(report.logPath, 'utf8')
    assert.match(log, /The content lies elsewhere now, asking where: PACK_GONE: /)
    const { neededBytes, fetchedBytes } = report
    assert.ok(neededBytes < LEFT_BYTES + SHARED_BYTES, `${id}: ${neededBytes} bytes were right: some came twice`)
    assert.ok(fetchedBytes < neededBytes + IN_FLIGHT_BYTES, `${id}: ${fetchedBytes} bytes came`)
  }
  assert.deepEqual(
    layouts().map(({ content }) => content),
    before.map(({ content }) => content),
    'what is signed did not change',
  )
})

const configurationOf = (device: ManagedDevice) => join(dirname(device.stateFolder), 'agent.json')

/** Another device, which needs the content of the second package. */
async function secondDevice({ admin }: Line, folder: string, resources: AsyncDisposableStack) {
  await mkdir(join(folder, 'root/etc'), { recursive: true })
  await writeFile(join(folder, 'root/etc/os-release'), 'ID=test\nNAME="Test OS"\nVERSION_ID="1"\n')
  await writeFile(join(folder, 'root/effects'), '')
  const steps = [effectStep('before'), contentStep(2)].join('')
  const text = `format: sluice-sequence/1\nname: Second\ninputs:\n  - variable: OSRoot\nsteps:${steps}\n`
  must(await admin.call('applySequence', { body: { fileName: 'second.yaml', text } }))
  const facts = { hostname: 'second', serialNumber: 'SCENARIO-2' }
  const device = await startManagedDevice({ folder, admin, softwareCenterPort: 0, facts, resources })
  const deployment = await deployTo(admin, [device.id], 'Second', { inputs: { OSRoot: device.osRoot } })
  await shown(device, deployment.id)
  return { device, runs: runsOf(device, deployment.id) }
}

async function cloudPoint({ admin }: Line, wire: SlowWire): Promise<DistributionPointId> {
  const credential = { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey } as const
  const containerUrl = azurite.containerUrl(await azurite.createContainer(), wire.port)
  const storage = { kind: 'azureBlob', containerUrl, prefix: 'sluice/', credential } as const
  return must(await admin.call('createDistributionPoint', { body: { name: 'cloud', storage } })).id
}

/** Another version, of which the first has all the bytes; the first is deleted. */
async function leaveLittle(admin: AdminClient, id: typeof first, folder: string): Promise<void> {
  await mkdir(folder)
  await writeFile(join(folder, 'content.bin'), left(id))
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

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
