import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '@sluice/content'
import { ContentReport, PackageId, PackageInfo, problem } from '@sluice/protocol'
import { refusedAs } from '../testing/refusal.ts'
import { driver, internal, internet, withLibrary } from './testing/library-world.ts'

const MiB = 1024 * 1024
const id = PackageId.parse('ABC00001')

withLibrary('an import is a job that ends in a released version, byte for byte', async (site) => {
  const folder = await site.folder('driver', { 'driver.bin': 3 * MiB, 'driver.inf': 700 })
  const started = await site.library.importPackage({ ...driver, folder })
  assert.equal(started.packageId, 'ABC00001')
  const job = await site.settled(started)
  assert.equal(job.state, 'succeeded')
  assert.equal(job.doneBytes, 3 * MiB + 700)
  assert.equal(job.totalBytes, job.doneBytes)

  const made = await site.library.get(started.packageId)
  PackageInfo.parse(made)
  assert.equal(made.version, 1)
  assert.equal(made.fileCount, 2)
  assert.equal(made.totalBytes, 3 * MiB + 700)
  assert.ok(made.storedBytes > 3 * MiB && made.storedBytes < 3.01 * MiB)
  assert.equal(sha256(site.world.released.get('manifest/ABC00001/1') ?? Buffer.alloc(0)), made.contentId)
  execFileSync('diff', ['-r', folder, await site.restored(started.packageId)])

  const second = await site.library.importPackage({ ...driver, folder })
  assert.equal(second.packageId, 'ABC00002')
  assert.equal((await site.settled(second)).state, 'succeeded')
  assert.equal((await site.library.list()).length, 2)
  const packs = []
  for await (const pack of site.store.list('pack')) packs.push(pack)
  assert.equal(packs.length, 1, 'what the library has is not stored again')
})

withLibrary('in offline mode a version waits for the release key; devices keep the one before', async (site) => {
  await site.imported({ a: MiB })
  site.world.waiting = true
  assert.equal((await site.imported({ a: MiB, b: 50_000 })).version, 1)
  await site.library.released()
  assert.equal((await site.library.get(id)).version, 1, 'something else was released')
  site.world.waiting = false
  await site.library.released()
  assert.equal((await site.library.get(id)).version, 2)
})

withLibrary('an update is the next version; nobody hears of it before it is released', async (site) => {
  const first = await site.imported({ a: MiB, b: MiB })
  let seen: number | undefined
  site.world.beforeRelease = async () => {
    seen = (await site.library.get(id)).version
  }
  const second = await site.imported({ a: MiB, b: MiB, c: 50_000 })
  assert.equal(seen, 1)
  assert.equal(second.version, 2)
  assert.notEqual(second.contentId, first.contentId)
  assert.deepEqual([...site.world.released.keys()], ['manifest/ABC00001/1', 'manifest/ABC00001/2'])
  const packs = []
  for await (const pack of site.store.list('pack')) packs.push(pack.sizeBytes)
  assert.equal(packs.length, 2)
  assert.ok(Math.min(...packs) < 51_000, 'only the new file was stored')
})

withLibrary('what cannot be imported is said at once, or by the job', async (site) => {
  const folder = await site.folder('fine', { a: 10 })
  await assert.rejects(site.library.importPackage({ ...driver, folder: 'relative' }), refusedAs('BAD_REQUEST'))
  await assert.rejects(
    site.library.importPackage({ ...driver, folder: `${folder}/missing` }),
    refusedAs('CONTENT_UNREADABLE'),
  )
  await assert.rejects(
    site.library.importPackage({ ...driver, folder: join(folder, 'a') }),
    refusedAs('CONTENT_UNREADABLE'),
  )
  await assert.rejects(site.library.updatePackage(id, { folder }), refusedAs('NOT_FOUND'))
  await assert.rejects(site.library.get(id), refusedAs('NOT_FOUND'))
  assert.deepEqual(await site.library.list(), [])

  await writeFile(join(folder, 'what?'), '')
  const refused = await site.settled(await site.library.importPackage({ ...driver, id, folder }))
  assert.equal(refused.state, 'failed')
  assert.equal(refused.problem?.code, 'CONTENT_NOT_SAFE')
  assert.equal((await site.library.get(id)).version, 0)

  // The id is not burnt by it; but a package that has a version is not replaced.
  const again = await site.library.importPackage({ ...driver, target: 'linux', id, folder })
  assert.equal((await site.settled(again)).state, 'succeeded')
  assert.equal((await site.library.get(id)).version, 1)
  await assert.rejects(site.library.importPackage({ ...driver, id, folder }), refusedAs('CONFLICT'))
})

withLibrary('imports of one package run one after the other, each with its own version', async (site) => {
  const folder = await site.folder('many', { a: 100_000 })
  const { packageId, jobId } = await site.library.importPackage({ ...driver, folder })
  const others = await Promise.all([1, 2, 3].map(() => site.library.updatePackage(packageId, { folder })))
  for (const started of [{ jobId }, ...others]) assert.equal((await site.settled(started)).state, 'succeeded')
  assert.equal((await site.library.get(packageId)).version, 4)
  assert.equal(site.world.released.size, 4)
})

withLibrary('an import that a stop broke off goes on in the next process, as the same version', async (site) => {
  const folder = await site.folder('long', { big: 6 * MiB })
  let stopped: Promise<void> | undefined
  const inRelease = new Promise<void>((resolve) => {
    site.world.beforeRelease = async () => {
      stopped = site.library.stop()
      resolve()
      throw new Error('the process ends here')
    }
  })
  const started = await site.library.importPackage({ ...driver, id, folder })
  await inRelease
  await stopped
  assert.equal((await site.library.job(started.jobId)).state, 'waiting')
  assert.equal((await site.library.get(id)).version, 0)

  site.world.beforeRelease = async () => {}
  const [second, third] = [site.createLibrary('second'), site.createLibrary('third')]
  await Promise.all([second.start(), third.start()])
  assert.equal((await site.settled(started)).state, 'succeeded')
  assert.equal((await site.library.get(id)).version, 1)
  assert.deepEqual([...site.world.released.keys()], ['manifest/ABC00001/1'])
})

withLibrary('a distribution goes from waiting to installed by what the gateway says', async (site) => {
  const { contentId = assert.fail() } = await site.imported({ a: MiB })
  await assert.rejects(site.library.distribute(id, ['gw_nobody0000' as never]), refusedAs('NOT_FOUND'))
  const distributed = await site.library.distribute(id, [internet])
  assert.deepEqual(site.world.changes.at(-1), internet)
  const state = async () => (await site.library.get(id)).distribution[0] ?? assert.fail()
  assert.deepEqual(distributed.distribution[0]?.state, 'waiting')

  const [content = assert.fail()] = await site.library.gatewayContents(internet)
  const objects = await site.library.contentObjects(contentId)
  assert.ok(objects.ok)
  assert.equal(content.contentId, contentId)
  assert.equal(content.objectCount, objects.value.length)
  assert.equal(
    content.totalBytes,
    objects.value.reduce((sum, object) => sum + object.sizeBytes, 0),
  )
  for (const { kind, hash, sizeBytes } of objects.value) {
    const opened = await site.library.openObject(kind, hash, { start: 1, end: sizeBytes })
    assert.ok(opened.ok)
    assert.equal(opened.value.totalBytes, sizeBytes)
    assert.equal(Buffer.concat(await opened.value.body.toArray()).length, sizeBytes - 1)
  }
  assert.deepEqual(await site.library.gatewayContents(internal), [])

  const totalBytes = content.totalBytes
  const order = async () => (await site.library.gatewayContents(internet))[0]?.verify
  let verified = await order()
  const say = (state: 'pulling' | 'present' | 'failed', presentBytes: number, reason?: ReturnType<typeof problem>) =>
    site.library.contentReport(
      internet,
      ContentReport.parse({ contentId, revision: 1, state, presentBytes, totalBytes, problem: reason, verified }),
    )
  await say('pulling', 100)
  assert.deepEqual([(await state()).state, (await state()).presentBytes], ['transferring', 100])
  await say('failed', 200, problem('NO_SPACE', 'The disk is full.'))
  assert.deepEqual([(await state()).state, (await state()).attempts], ['retrying', 1])
  assert.equal((await state()).problem?.code, 'NO_SPACE')
  await say('failed', 200, problem('CONTENT_NOT_SAFE', 'No.'))
  assert.deepEqual([(await state()).state, (await state()).attempts], ['failed', 2])
  await site.library.distribute(id, [internet])
  assert.deepEqual([(await state()).state, (await state()).attempts], ['waiting', 0])
  verified = await order()
  await say('present', totalBytes)
  assert.equal((await state()).state, 'installed')
  assert.equal((await state()).problem, undefined)

  // Of an older layout, or from a gateway that shall not hold it.
  const stale = { contentId, state: 'failed', presentBytes: 0, totalBytes } as const
  await site.library.contentReport(internet, { ...stale, revision: 2 })
  await site.library.contentReport(internal, { ...stale, revision: 1 })
  assert.equal((await state()).state, 'installed')
})

withLibrary('what is distributed again waits until the gateway has verified it', async (site) => {
  const { contentId = assert.fail() } = await site.imported({ a: 1000 })
  await site.library.distribute(id, [internet])
  await site.install(internet, contentId)
  const state = async () => (await site.library.get(id)).distribution[0]?.state
  const order = async () => (await site.library.gatewayContents(internet))[0]?.verify
  assert.deepEqual([await state(), await order()], ['installed', undefined])
  await site.library.distribute(id, [internet], 'keep')
  assert.equal(await state(), 'installed')

  site.clock.advance(1000)
  site.world.changes.length = 0
  await site.library.distribute(id, [internet])
  assert.equal(await state(), 'waiting')
  assert.deepEqual(site.world.changes, [internet])
  const verified = (await order()) ?? assert.fail()
  const report = { contentId, revision: 1, state: 'present', presentBytes: 1, totalBytes: 1 } as const
  await site.library.contentReport(internet, report)
  await site.library.contentReport(internet, { ...report, verified: verified - 1000 })
  assert.equal(await state(), 'waiting', 'what was said before the order does not answer it')
  await site.library.contentReport(internet, { ...report, state: 'pulling', presentBytes: 0, verified })
  assert.equal(await state(), 'transferring')
  await site.library.contentReport(internet, { ...report, verified })
  assert.equal(await state(), 'installed')
})

withLibrary('before the first import is done, and where content is off, nothing is distributed', async (site) => {
  const folder = await site.folder('x', { a: 10 })
  let release = () => {}
  site.world.beforeRelease = () => new Promise((resolve) => (release = resolve))
  const started = await site.library.importPackage({ ...driver, id, folder })
  await assert.rejects(site.library.distribute(id, [internet]), refusedAs('CONFLICT'))
  while ((await site.library.job(started.jobId)).state !== 'running')
    await new Promise((resolve) => setTimeout(resolve, 5))
  await assert.rejects(site.library.distribute(id, [internet]), refusedAs('CONFLICT'))
  while (site.world.released.size === 0) {
    release()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await site.settled(started)
  site.world.gateways = site.world.gateways.map((gateway) => ({ ...gateway, serveContent: false }))
  await assert.rejects(site.library.distribute(id, [internet]), refusedAs('GATEWAY_CONTENT_DISABLED'))
  assert.deepEqual((await site.library.get(id)).distribution, [])
})

withLibrary('a new version goes to the gateways of the old one, which stays for running sequences', async (site) => {
  const first = await site.imported({ a: MiB })
  await site.library.distribute(id, [internet, internal])
  await site.install(internet, first.contentId ?? assert.fail())
  const second = await site.imported({ a: MiB, b: 1000 })
  const states = async () =>
    (await site.library.get(id)).distribution.map(({ pointId, version, state }) => `${pointId} ${version} ${state}`)
  assert.deepEqual(await states(), [
    'gw_internal000 2 waiting',
    'gw_internet000 2 waiting',
    'gw_internet000 1 installed',
  ])
  assert.equal((await site.library.gatewayContents(internet)).length, 2)

  await site.install(internet, second.contentId ?? assert.fail())
  site.clock.advance(6 * 24 * 3600_000)
  assert.equal((await site.library.gatewayContents(internet)).length, 2)
  site.clock.advance(2 * 24 * 3600_000)
  assert.deepEqual(
    (await site.library.gatewayContents(internet)).map((content) => content.contentId),
    [second.contentId],
  )
  assert.deepEqual(await states(), ['gw_internal000 2 waiting', 'gw_internet000 2 installed'])
})
