/** Removing from distribution points while other processes of the site order, upload and grant. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import { type CloudPointId, type ContentId, PackageId, ProblemError } from '@sluice/protocol'
import { type Kysely, type KyselyPlugin, sql } from 'kysely'
import { type Database, type DatabaseLocation, openDatabase } from '../db/database.ts'
import { LEASE_MS } from '../db/lease.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { silentLog } from '../log.ts'
import { resolveTargets } from './distribution-targets.ts'
import { createDistributions, SUPERSEDED_MS } from './distributions.ts'
import { removeFromPoints } from './point-removal.ts'
import { createPointWork } from './point-work.ts'
import { createLibraryWorld, internet, type LibraryWorld } from './testing/library-world.ts'

const id = PackageId.parse('ABC00001')
const never = new AbortController().signal
const azurite = await startAzurite()
after(() => azurite.close())

type World = LibraryWorld & { db: Kysely<Database>; location: DatabaseLocation }

const withSite = (name: string, body: (site: World) => Promise<void>) =>
  onEveryDatabase(name, async (db, location) => {
    const world = await createLibraryWorld(db)
    try {
      await body(Object.assign(world, { db, location }))
    } finally {
      await world.close()
    }
  })

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    assert.ok(tries < 1_500, what)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const createPoint = async ({ library }: LibraryWorld) =>
  await library.cloudPoints.create({
    name: 'cloud',
    storage: {
      kind: 'azureBlob',
      containerUrl: azurite.containerUrl(await azurite.createContainer()),
      prefix: '',
      credential: { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey },
    },
  })

const stateAt = async ({ library }: LibraryWorld) => (await library.get(id)).distribution[0]?.state
/** A package that is whole at a cloud point; from here on nobody works there but who the test says. */
async function wholeAtPoint(site: World): Promise<CloudPointId> {
  await site.imported({ a: 900_000, b: 700_000 }, id)
  const point = await createPoint(site)
  await site.library.distribute(id, [point.id])
  await until('the upload', async () => (await stateAt(site)) === 'installed')
  await site.library.stop()
  return point.id
}

const sweeper = (
  { db, clock, library }: World,
  owner: string,
  change: Partial<Parameters<typeof removeFromPoints>[0]>,
) =>
  removeFromPoints({ db, clock, points: library.cloudPoints, log: silentLog, owner, onChanged() {}, ...change }, never)

const uploader = ({ db, clock, store, library }: World) =>
  createPointWork({
    ...{ db, clock, store, points: library.cloudPoints, log: silentLog, owner: 'uploader', onChanged() {} },
  })

async function assertWhole({ library }: LibraryWorld, pointId: CloudPointId): Promise<void> {
  const cloud = await library.cloudPoints.open(pointId)
  const { contentId = assert.fail() } = await library.get(id)
  const objects = await library.contentObjects(contentId)
  assert.ok(objects.ok && objects.value.length > 1)
  for (const object of objects.value) assert.ok(await cloud.has(object), `${object.kind} ${object.hash}`)
}

withSite('a process that was away does not delete what was stored again meanwhile', async (site) => {
  const { db, clock, library } = site
  const pointId = await wholeAtPoint(site)
  await db.updateTable('distributions').set({ state: 'removing' }).execute()
  const stalled = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const away = sweeper(site, 'away', {
    points: {
      async open(point) {
        stalled.resolve()
        await goOn.promise
        return await library.cloudPoints.open(point)
      },
    },
  })
  await stalled.promise
  clock.advance(LEASE_MS + 1)
  await sweeper(site, 'other', {})
  assert.equal((await db.selectFrom('point_objects').select('hash').execute()).length, 0)
  await library.distribute(id, [pointId])
  const work = uploader(site)
  await work.start()
  await until('the second upload', async () => (await stateAt(site)) === 'installed')
  await work.stop()

  goOn.resolve()
  await away
  await assertWhole(site, pointId)
})

withSite('an order that comes while objects are marked is not taken for done', async (site) => {
  const { db, clock, library, location } = site
  const pointId = await wholeAtPoint(site)
  await db.deleteFrom('distributions').execute()
  const waiters = async () =>
    location.kind === 'postgres'
      ? Number(
          (await sql<{ n: string }>`select count(*) as n from pg_locks where not granted`.execute(db)).rows[0]?.n ?? 0,
        )
      : 0
  // PostgreSQL looks at everything as it was when a statement began; this one is held up in its middle.
  const holdUp = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const second = location.kind === 'postgres' ? await openDatabase(location) : undefined
  const blocker =
    second?.ok === true
      ? second.value.transaction().execute(async (trx) => {
          await sql`select hash from point_objects order by ctid desc limit 1 for update`.execute(trx)
          held.resolve()
          await holdUp.promise
        })
      : held.resolve()
  await held.promise
  const sweeping = sweeper(site, 'sweeper', {})
  if (second !== undefined) await until('the marks to be held up', async () => (await waiters()) > 0)
  const ordered = library.distribute(id, [pointId])
  const work = uploader(site)
  await work.start()
  if (second !== undefined)
    await until(
      'the order to be done or held up',
      async () => (await waiters()) > 1 || (await stateAt(site)) === 'installed',
    )
  holdUp.resolve()
  await Promise.all([blocker, sweeping, ordered])
  await until('the upload', async () => {
    clock.advance(1_000)
    work.wake()
    return (await stateAt(site)) === 'installed'
  })
  await work.stop()
  await assertWhole(site, pointId)
  if (second?.ok === true) await second.value.destroy()
})

/** The database of a process in which something happens right after it read the rows that may go. */
function interrupted(db: Kysely<Database>, happens: () => Promise<unknown>): Kysely<Database> {
  const reading = new WeakSet<object>()
  let first = true
  const plugin: KyselyPlugin = {
    transformQuery({ node, queryId }) {
      if (node.kind === 'SelectQueryNode' && JSON.stringify(node.from).includes('"distributions"')) reading.add(queryId)
      return node
    },
    async transformResult({ result, queryId }) {
      if (first && reading.has(queryId)) {
        first = false
        await happens()
      }
      return result
    },
  }
  return db.withPlugin(plugin)
}

/** A version at a gateway that counts for nobody since the next one came, and may go. */
async function longSuperseded(site: World): Promise<ContentId> {
  await site.imported({ a: 100_000 }, id)
  const { contentId = assert.fail() } = await site.library.get(id)
  await site.library.distribute(id, [internet])
  await site.install(internet, contentId)
  await site.imported({ a: 100_001 }, id)
  await site.install(internet, (await site.library.get(id)).contentId ?? assert.fail())
  await site.library.stop()
  site.clock.advance(SUPERSEDED_MS)
  return contentId
}
const rowsOf = ({ db }: World, contentId: ContentId) =>
  db.selectFrom('distributions').select(['state', 'superseded_at']).where('content_id', '=', contentId).execute()

withSite('a version that counts again while old ones are removed stays', async (site) => {
  const { db, clock } = site
  const contentId = await longSuperseded(site)
  const version = { packageId: id, version: 1, contentId, objectBytes: 1 }
  const again = () => createDistributions({ db, clock }).goBack(db, version, [internet])
  await sweeper(site, 'sweeper', { db: interrupted(db, again) })
  assert.deepEqual(await rowsOf(site, contentId), [{ state: 'installed', superseded_at: null }])
})

withSite('a version that a device was granted while old ones are removed stays', async (site) => {
  const { db, clock } = site
  const contentId = await longSuperseded(site)
  const lease = { content_id: contentId, device_id: 'dev_x' as never, until: clock.now() + 3_600_000 }
  const granted = () => db.insertInto('content_leases').values(lease).execute()
  await sweeper(site, 'sweeper', { db: interrupted(db, granted) })
  assert.equal((await rowsOf(site, contentId)).length, 1)
  clock.advance(3_600_001)
  await sweeper(site, 'sweeper', {})
  assert.equal((await rowsOf(site, contentId)).length, 0, 'after the lease it goes')
})

withSite('a point to which something is just being sent is not removed', async (site) => {
  const { db, library } = site
  await site.imported({ a: 1_000 }, id)
  const point = await createPoint(site)
  const { contentId = assert.fail() } = await library.get(id)
  const version = { packageId: id, version: 1, contentId, objectBytes: 1 }
  let removal: Promise<unknown> | undefined
  await db.transaction().execute(async (trx) => {
    const points = await resolveTargets(trx, { targets: [point.id], packageId: id, gateways: [] })
    removal = library.cloudPoints.delete(point.id).catch((error: unknown) => error)
    await Promise.race([removal, new Promise((resolve) => setTimeout(resolve, 200))])
    await createDistributions({ db, clock: site.clock }).add(trx, version, points, 'keep')
  })
  const refused = await removal
  assert.ok(refused instanceof ProblemError, 'it was removed')
  assert.equal(refused.problem.code, 'CONFLICT')
  assert.equal((await library.cloudPoints.list()).length, 1)
})
