import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seededBytes } from '@sluice/content/testing'
import { type ContentId, type GatewayId, PackageId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../../db/database.ts'
import { internet, type LibraryWorld, withLibrary } from '../testing/library-world.ts'

const HOUR = 3600_000
const id = PackageId.parse('ABC00001')

const KEPT = { b: 300_000, c: 300_000 }

/** A library in which 600,000 of the 1,600,000 bytes of a pack are needed, and it is a day later. */
async function halfDead(site: LibraryWorld): Promise<ContentId> {
  await site.imported({ a: 1_000_000, ...KEPT })
  const { contentId = assert.fail() } = await site.imported(KEPT)
  await site.library.deletePackage(id, { version: 1, force: false })
  site.clock.advance(25 * HOUR)
  return contentId
}

async function isWhole(site: LibraryWorld): Promise<void> {
  const folder = await site.restored(id)
  for (const [name, size] of Object.entries(KEPT))
    assert.ok((await readFile(join(folder, name))).equals(seededBytes(`${name} ${size}`, size)), name)
}

async function packBytes(site: LibraryWorld): Promise<number> {
  let bytes = 0
  for await (const { sizeBytes } of site.store.list('pack')) bytes += sizeBytes
  return bytes
}

const versionRow = (db: Kysely<Database>) =>
  db
    .selectFrom('package_versions')
    .select(['content_id', 'layout_hash', 'layout_revision', 'root', 'stored_bytes', 'object_bytes'])
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()

/** A gateway reads its lists and holds all of what they name. */
async function catchUp(site: LibraryWorld, gateway: GatewayId): Promise<void> {
  for (const { contentId } of await site.library.gatewayContents(gateway)) await site.install(gateway, contentId)
}

withLibrary('what lives in a half-dead pack moves to a new one, and the old one is deleted', async (site, db) => {
  await halfDead(site)
  const before = await versionRow(db)
  const report = await site.library.collect()
  assert.deepEqual([report.versions, report.rewrittenPacks, report.movingVersions], [1, 1, 1])
  assert.equal(report.copiedBytes, 600_000)
  await isWhole(site)

  site.clock.advance(4 * HOUR)
  await site.library.collect()
  const after = await versionRow(db)
  assert.notEqual(after.layout_hash, before.layout_hash)
  assert.deepEqual([after.content_id, after.root], [before.content_id, before.root], 'the manifest is what it was')
  await isWhole(site)

  site.clock.advance(24 * HOUR)
  const done = await site.library.collect()
  assert.deepEqual([done.movingVersions, done.rewrittenPacks], [0, 0])
  assert.ok(done.condemnedObjects > 0)
  assert.ok((await packBytes(site)) > 2_000_000, 'for 48 hours nothing is deleted')
  site.clock.advance(48 * HOUR)
  assert.ok((await site.library.collect()).deletedBytes > 1_600_000)
  assert.ok((await packBytes(site)) < 610_000)
  await isWhole(site)
  const row = await versionRow(db)
  const objects = await db.selectFrom('version_objects').select('size_bytes').execute()
  assert.equal(
    row.object_bytes,
    objects.reduce((sum, { size_bytes }) => sum + size_bytes, 0),
  )
  assert.deepEqual(await db.selectFrom('next_objects').selectAll().execute(), [])
})

withLibrary('a pack that is needed by half stays as it is', async (site) => {
  await site.imported({ a: 500_000, ...KEPT })
  await site.imported(KEPT)
  await site.library.deletePackage(id, { version: 1, force: false })
  site.clock.advance(25 * HOUR)
  assert.deepEqual((await site.library.collect()).rewrittenPacks, 0)
  const many = await site.library.collect()
  assert.deepEqual([many.rewrittenPacks, many.movingVersions], [0, 0])
})

withLibrary(
  'a gateway that lags behind keeps the old packs alive, and the version stays whole there',
  async (site, db) => {
    const contentId = await halfDead(site)
    await site.library.distribute(id, [internet])
    await catchUp(site, internet)
    const [first] = (await site.library.get(id)).distribution
    assert.equal(first?.state, 'installed')
    assert.deepEqual((await site.library.collect()).latePoints, [internet])
    const lists = await site.library.gatewayContents(internet)
    assert.equal(lists.length, 2, 'the next objects are a content of their own')
    const next = lists.find((one) => one.contentId !== contentId) ?? assert.fail()
    const listed = await site.library.contentObjects(next.contentId)
    assert.ok(listed.ok && listed.value.length === next.objectCount)

    site.clock.advance(10 * 24 * HOUR)
    assert.deepEqual((await site.library.collect()).latePoints, [internet])
    await site.library.contentReport(internet, {
      ...{ contentId: next.contentId, revision: 1, state: 'pulling', presentBytes: 0, totalBytes: next.totalBytes },
    })
    assert.equal((await site.library.get(id)).distribution[0]?.state, 'installed')
    assert.equal((await versionRow(db)).layout_revision, 1)

    await catchUp(site, internet)
    assert.deepEqual((await site.library.collect()).latePoints, [])
    const [both] = await site.library.gatewayContents(internet)
    assert.deepEqual([both?.contentId, both?.revision], [contentId, 2])
    await catchUp(site, internet)
    site.clock.advance(29 * HOUR)
    await site.library.collect()
    site.clock.advance(25 * HOUR)
    assert.equal((await site.library.collect()).movingVersions, 0)
    const [last] = await site.library.gatewayContents(internet)
    assert.deepEqual([last?.revision, last?.totalBytes], [3, (await versionRow(db)).object_bytes])
    assert.equal((await site.library.get(id)).distribution[0]?.state, 'installed')
  },
)

withLibrary('a version that is deleted on its way goes with all of it', async (site, db) => {
  await halfDead(site)
  assert.equal((await site.library.collect()).movingVersions, 1)
  await site.library.deletePackage(id, { force: true })
  for (let day = 0; day < 3; day++) {
    site.clock.advance(49 * HOUR)
    await site.library.collect()
  }
  assert.equal(await packBytes(site), 0)
  for (const table of ['layout_moves', 'next_objects', 'packs', 'chunks'] as const)
    assert.deepEqual(await db.selectFrom(table).selectAll().execute(), [], table)
})

withLibrary(
  'a page that a version on its way will have is not condemned with another that has it',
  async (site, db) => {
    await halfDead(site)
    await site.library.distribute(id, [internet])
    await catchUp(site, internet)
    await site.library.collect()
    const page = await db
      .selectFrom('next_objects as next')
      .leftJoin('version_objects as now', 'now.hash', 'next.hash')
      .select(['next.hash', 'next.size_bytes'])
      .where('next.kind', '=', 'page')
      .where('now.hash', 'is', null)
      .executeTakeFirstOrThrow()
    const other = await site.imported({ d: 40_000 }, 'ABC00002')
    const { contentId = assert.fail() } = other
    await db
      .insertInto('version_objects')
      .values({ content_id: contentId, kind: 'page', ...page })
      .execute()
    await site.library.deletePackage(other.id, { force: false })
    await site.library.collect()
    const condemned = await db.selectFrom('condemned_objects').select('hash').execute()
    assert.ok(condemned.length > 0)
    assert.ok(condemned.every(({ hash }) => hash !== page.hash))
  },
)

withLibrary('an import after a rewriting finds the chunks in the new pack', async (site, db) => {
  await halfDead(site)
  await site.library.collect()
  const [old] = await db.selectFrom('packs').select('hash').where('rewritten', '=', 0).execute()
  await site.imported({ ...KEPT, d: 50_000 })
  const newest = await db
    .selectFrom('package_versions')
    .select('content_id')
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  const objects = await db
    .selectFrom('version_objects')
    .select('hash')
    .where('content_id', '=', newest.content_id)
    .execute()
  assert.ok(old !== undefined && !objects.some(({ hash }) => hash === old.hash))
})
