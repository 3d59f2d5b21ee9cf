import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seededBytes } from '@sluice/content/testing'
import type { ContentId, PackageId, StoredObject } from '@sluice/protocol'
import { refusedAs } from '../testing/refusal.ts'
import { createChunkIndex } from './chunk-index.ts'
import { PackCondemned, referTo } from './condemned.ts'
import { internet, type LibraryWorld, withLibrary } from './testing/library-world.ts'

const HOUR = 3600_000

async function stored(site: LibraryWorld): Promise<StoredObject[]> {
  const objects: StoredObject[] = []
  for (const kind of ['pack', 'page'] as const) for await (const object of site.store.list(kind)) objects.push(object)
  return objects
}

const contentOf = async (site: LibraryWorld, id: PackageId): Promise<ContentId> =>
  (await site.library.get(id)).contentId ?? assert.fail()

withLibrary('a package that somebody needs is not deleted, and who is named', async (site) => {
  const { id } = await site.imported({ a: 100_000 })
  site.world.deployments = ['Upgrade to 13']
  await assert.rejects(
    site.library.deletePackage(id, { force: true }),
    (error) => refusedAs('PACKAGE_NEEDED')(error) && String(error).includes('Upgrade to 13'),
  )
  site.world.deployments = []
  site.world.sequences = ['Upgrade']
  await assert.rejects(site.library.deletePackage(id, { force: false }), refusedAs('PACKAGE_NEEDED'))
  assert.deepEqual(await site.library.deletePackage(id, { force: true }), { deleted: [1], newest: 0 })
  assert.deepEqual([...site.world.released.keys()], [])
  await assert.rejects(site.library.get(id), refusedAs('NOT_FOUND'))
  await assert.rejects(site.imported({ a: 1 }), refusedAs('CONFLICT'), 'an id is given once')
})

withLibrary('an older version is needed by nobody; without the newest the one before is the newest', async (site) => {
  await site.imported({ a: 100_000 })
  await site.imported({ a: 100_001 })
  const { id } = await site.imported({ a: 100_002 })
  await site.library.distribute(id, [internet])
  await site.install(internet, await contentOf(site, id))
  site.world.deployments = ['Upgrade']
  assert.deepEqual(await site.library.deletePackage(id, { version: 1, force: false }), { deleted: [1], newest: 3 })
  await assert.rejects(site.library.deletePackage(id, { version: 3, force: false }), refusedAs('PACKAGE_NEEDED'))
  site.world.deployments = []
  assert.deepEqual(await site.library.deletePackage(id, { version: 3, force: false }), { deleted: [3], newest: 2 })
  const back = await site.library.get(id)
  assert.equal(back.version, 2)
  assert.ok(back.distribution.some(({ version, state }) => version === 2 && state === 'waiting'))
  assert.equal((await site.imported({ a: 100_003 })).version, 4, 'the number 3 is not given again')
})

withLibrary('what is deleted goes 48 hours after nobody had it any more', async (site, db) => {
  const { id } = await site.imported({ a: 300_000 })
  const contentId = await contentOf(site, id)
  const kept = await site.imported({ b: 200_000 }, 'ABC00002')
  await site.library.distribute(id, [internet])
  await site.install(internet, contentId)
  const all = (await stored(site)).length
  await db
    .insertInto('content_leases')
    .values({ content_id: contentId, device_id: 'dev_x' as never, until: site.clock.now() + 24 * HOUR })
    .execute()
  await site.library.deletePackage(id, { force: false })
  const first = await site.library.collect()
  assert.deepEqual([first.versions, first.condemnedObjects], [0, 0], 'a token covers it')
  assert.equal((await site.library.gatewayContents(internet)).length, 1, 'also where it is distributed')

  site.clock.advance(25 * HOUR)
  const second = await site.library.collect()
  assert.deepEqual([second.versions, second.condemnedObjects > 0, second.deletedObjects], [1, true, 0])
  assert.equal((await site.library.gatewayContents(internet)).length, 0)
  assert.equal((await stored(site)).length, all, 'for 48 hours nothing is deleted')

  site.clock.advance(48 * HOUR)
  const third = await site.library.collect()
  assert.ok(third.deletedObjects > 0)
  assert.equal(third.waitingObjects, 0)
  const left = await stored(site)
  const wanted = await db.selectFrom('version_objects').select('hash').execute()
  assert.deepEqual(left.map(({ hash }) => hash).sort(), wanted.map(({ hash }) => hash).sort())
  const file = await readFile(join(await site.restored(kept.id), 'b'))
  assert.ok(file.equals(seededBytes('b 200000', 200_000)))
})

withLibrary('a page that is imported again while it is condemned stays', async (site) => {
  const { id } = await site.imported({ a: 100_000 })
  await site.library.deletePackage(id, { version: 1, force: false })
  site.clock.advance(25 * HOUR)
  assert.ok((await site.library.collect()).condemnedObjects > 0)
  site.clock.advance(47 * HOUR)
  await site.imported({ a: 100_000 })
  site.clock.advance(2 * HOUR)
  await site.library.collect()
  const file = await readFile(join(await site.restored(id), 'a'))
  assert.ok(file.equals(seededBytes('a 100000', 100_000)))
})

withLibrary('no version refers to a pack that was condemned', async (site, db) => {
  const { id } = await site.imported({ a: 400_000 })
  await site.library.deletePackage(id, { version: 1, force: false })
  await site.library.collect() // the version is gone; its pack is too young to be condemned
  site.clock.advance(25 * HOUR)
  const [pack] = await db.selectFrom('packs').select(['hash', 'size_bytes']).execute()
  assert.ok(pack)
  const other = site.createLibrary('second')
  await other.collect()
  const object = { kind: 'pack', hash: pack.hash, sizeBytes: pack.size_bytes } as const
  await assert.rejects(
    db.transaction().execute((trx) => referTo(trx, [object])),
    PackCondemned,
  )
  assert.equal((await createChunkIndex({ db, clock: site.clock }).packs([pack.hash])).size, 0)
})

withLibrary('deleting that broke off is done by the next, and no import begins before', async (site, db) => {
  const { id } = await site.imported({ a: 100_000 })
  await site.library.deletePackage(id, { version: 1, force: false })
  site.clock.advance(25 * HOUR)
  await site.library.collect()
  await db.updateTable('condemned_objects').set({ state: 'deleting' }).execute()
  const folder = await site.folder('again', { a: 100_000 })
  const started = await site.library.updatePackage(id, { folder })
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.equal((await site.library.job(started.jobId)).state, 'waiting')
  assert.ok((await site.library.collect()).deletedObjects > 0)
  await site.library.updatePackage(id, { folder }) // wakes the queue
  assert.equal((await site.settled(started)).state, 'succeeded')
  assert.ok((await readFile(join(await site.restored(id), 'a'))).equals(seededBytes('a 100000', 100_000)))
})

withLibrary('a process that was away while it deleted deletes nothing that was stored again since', async (site) => {
  const contents = [1, 2, 3].map((n) => [`ABC0000${n}`, { a: 50_000 + n }] as const)
  for (const [id, files] of contents) {
    await site.imported(files, id)
    await site.library.deletePackage((await site.imported({ b: 60_000 }, id)).id, { version: 1, force: false })
  }
  site.clock.advance(25 * HOUR)
  await site.library.collect()
  site.clock.advance(49 * HOUR)
  const { store } = site
  const other = site.createLibrary('second')
  const real = store.delete.bind(store)
  store.delete = async (name) => {
    store.delete = real
    await real(name)
    site.clock.advance(2 * 60_000)
    await other.collect()
    for (const [id, files] of contents) await site.imported(files, id)
  }
  await assert.rejects(site.library.collect(), /another process took over/)
  for (const [id, files] of contents) {
    const file = await readFile(join(await site.restored(id as PackageId), 'a'))
    assert.ok(file.equals(seededBytes(`a ${files.a}`, files.a)))
  }
})
