/**
 * Seeded histories of a library: imports, deletions, distributions, tokens, runs, collections and rewriting beside
 * imports, collections that break off, gateways that lag behind, and time. Whatever happened, what a version, a
 * token or a run needs can be read, in the library and at every gateway that serves it, also by who knows the
 * layout of before only; and in the end nothing is left of what was deleted.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openLayoutRoot } from '@sluice/content'
import { restore, seededBytes } from '@sluice/content/testing'
import {
  CollectionId,
  type ContentId,
  DeploymentId,
  type GatewayId,
  PackageId,
  ProblemError,
  SequenceId,
  type Sha256,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { newId } from '../identity/new-id.ts'
import { insertDevice } from '../testing/enrolled-device.ts'
import { createLibraryWorld, driver, internal, internet, type LibraryWorld } from './testing/library-world.ts'
import { createSimpleGateway } from './testing/simple-gateway.ts'

const HOUR = 3600_000
const SEEDS = process.env.SLUICE_SOAK === '1' ? Array.from({ length: 30 }, (_, i) => i + 1) : [1, 2]
const STEPS = 24
const FIRST = ['import', 'little is left of a version', 'import']

/** Small whole numbers below `end`, the same for the same seed. */
function numbers(seed: number): (end: number) => number {
  let at = 0
  return (end) => Buffer.from(seededBytes(`history ${seed} ${at++}`, 4)).readUInt32LE() % end
}

for (const seed of SEEDS)
  onEveryDatabase(`nothing that is needed is ever missing, and nothing else stays: history ${seed}`, async (db) => {
    const site = await createLibraryWorld(db)
    try {
      await history(site, db, numbers(seed))
    } finally {
      await site.close()
    }
  })

async function history(site: LibraryWorld, db: Kysely<Database>, below: (end: number) => number): Promise<void> {
  /** What each content is: sizes of its files. */
  const files = new Map<ContentId, Record<string, number>>()
  const { id: device } = await insertDevice(db, site.clock.now())
  const deployment = await insertDeployment(db, site.clock.now())
  const second = site.createLibrary('second')
  const gateways = [internet, internal].map((id) => createSimpleGateway(site, id))
  /** Which layout a device got with a token, what it names, and the gateways that had it. */
  let granted: { contentId: ContentId; until: number; objects: Set<Sha256>; at: GatewayId[] }[] = []
  let folders = 0
  let rewritten = false
  let told: string[] = []

  async function pick(): Promise<{ id: PackageId; contentId: ContentId } | undefined> {
    const all = (await site.library.list()).filter(({ contentId }) => contentId !== undefined)
    const one = all[below(Math.max(1, all.length))]
    return one?.contentId === undefined ? undefined : { id: one.id, contentId: one.contentId }
  }

  /** A version of which 600,000 bytes are left, in a pack of 1,600,000, and that lies at a gateway. */
  async function leaveLittle(): Promise<void> {
    const name = `${folders++}`
    const id = PackageId.parse(`ABD${name.padStart(5, '0')}`)
    const kept = { [`b${name}`]: 300_000, [`c${name}`]: 300_000 }
    for (const content of [{ [`a${name}`]: 1_000_000, ...kept }, kept])
      files.set((await site.imported(content, id)).contentId ?? assert.fail(), content)
    await site.library.distribute(id, [internet])
    await gateways[0]?.readLists()
    await site.library.deletePackage(id, { version: 1, force: false })
    site.clock.advance(25 * HOUR)
    await collect()
  }

  async function importSome(): Promise<void> {
    // Ids are given once: after some have been deleted there are others.
    const all = await site.library.list()
    const known = all.length > below(4)
    const id = known
      ? (all[below(all.length)]?.id ?? assert.fail())
      : PackageId.parse(`ABC${String(folders + 1).padStart(5, '0')}`)
    // Few different files, so that packages and versions share packs.
    const content: Record<string, number> = {}
    for (let i = 0; i <= below(3); i++) content[`f${below(4)}`] = 40_000 + 60_000 * below(3)
    const folder = await site.folder(`${folders++}`, content)
    const started = await (known
      ? site.library.updatePackage(id, { folder })
      : site.library.importPackage({ ...driver, id, folder })
    ).catch((error: unknown) => {
      if (error instanceof ProblemError && error.problem.code === 'CONFLICT') return undefined // deleted before
      throw error
    })
    if (started === undefined) return
    const job = await site.settled(started)
    assert.equal(job.state, 'succeeded', JSON.stringify(job.problem))
    const { contentId = assert.fail() } = await site.library.get(id)
    files.set(contentId, content)
  }

  const steps: Record<string, () => Promise<void>> = {
    import: importSome,
    'little is left of a version': leaveLittle,
    'import beside a collection': async () => {
      site.clock.advance(below(60) * HOUR)
      await Promise.all([importSome(), second.collect().catch(busy), site.library.collect().catch(busy)])
    },
    'delete a version': async () => {
      const one = await pick()
      if (one === undefined) return
      // Half of the time what a token or a run has just covered, and it is collected at once.
      if (below(2) === 0) await (below(2) === 0 ? token(one) : run(one))
      const rows = await db
        .selectFrom('package_versions')
        .select('version')
        .where('package_id', '=', one.id)
        .where('deleted_at', 'is', null)
        .execute()
      const newest = Math.max(...rows.map((row) => row.version))
      const { version } = below(2) === 0 ? { version: newest } : (rows[below(rows.length)] ?? assert.fail())
      await site.library.deletePackage(one.id, { version, force: false })
      if (below(2) === 0) await site.library.collect().catch(busy)
    },
    'delete a package': async () => {
      const one = await pick()
      if (one !== undefined && below(4) === 0) await site.library.deletePackage(one.id, { force: false })
    },
    distribute: async () => {
      const one = await pick()
      if (one === undefined) return
      const point = gateways[below(2)] ?? assert.fail()
      await site.library.distribute(one.id, [point.id])
      await point.readLists()
    },
    'a gateway reads its lists': async () => await gateways[below(2)]?.readLists(),
    'a collection breaks off': async () => {
      site.clock.advance(below(30) * HOUR)
      const short = site.createLibrary(`short ${folders++}`)
      const collected = short.collect().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, below(40)))
      await short.stop()
      await collected
    },
    token: async () => {
      const one = await pick()
      if (one !== undefined) await token(one)
    },
    'a run begins': async () => {
      const one = await pick()
      if (one !== undefined) await run(one)
    },
    'a run ends': endRun,
    'time passes': async () => site.clock.advance(below(72) * HOUR),
    'gateways keep up, and time passes': async () => {
      for (const hours of [3, 3, 22, 3]) {
        site.clock.advance(hours * HOUR)
        await collect()
        for (const gateway of gateways) await gateway.readLists()
      }
    },
    collect,
  }

  async function collect(): Promise<void> {
    await site.library.collect().catch(busy)
    const packs = await db.selectFrom('packs').select('hash').where('rewritten', '=', 1).execute()
    rewritten ||= packs.length > 0
  }

  async function token(one: { contentId: ContentId }): Promise<void> {
    const until = site.clock.now() + 24 * HOUR
    await db
      .insertInto('content_leases')
      .values({ content_id: one.contentId, device_id: device, until })
      .onConflict((conflict) => conflict.columns(['content_id', 'device_id']).doUpdateSet({ until }))
      .execute()
    const objects = await layoutObjects(one.contentId)
    const at = gateways.filter(({ id, knows }) => knows(one.contentId) && isInstalled.has(`${one.contentId} ${id}`))
    granted.push({ contentId: one.contentId, until, objects, at: at.map(({ id }) => id) })
  }

  /** What the layout that is given out now names. */
  async function layoutObjects(contentId: ContentId): Promise<Set<Sha256>> {
    const row = await db
      .selectFrom('package_versions as version')
      .innerJoin('packages', 'packages.id', 'version.package_id')
      .select(['layout_hash', 'package_key'])
      .where('content_id', '=', contentId)
      .executeTakeFirstOrThrow()
    const got = await site.store.get({ kind: 'page', hash: row.layout_hash })
    assert.ok(got.ok)
    const layout = openLayoutRoot(Buffer.concat(await got.value.body.toArray()), row.package_key, contentId)
    assert.ok(layout.ok)
    const pages = layout.value.root.pages.flatMap((page) => [page.manifest, page.layout])
    return new Set([row.layout_hash, ...pages, ...layout.value.packs.keys()])
  }

  /** Content and gateway, as the site believes it. */
  const isInstalled = new Set<string>()

  /** A gateway that has not heard of the site for longer serves nothing. */
  async function gatewaysServe(): Promise<void> {
    isInstalled.clear()
    const rows = await db
      .selectFrom('distributions')
      .select(['content_id', 'point_id'])
      .where('state', '=', 'installed')
      .where('superseded_at', 'is', null)
      .execute()
    for (const { content_id, point_id } of rows) isInstalled.add(`${content_id} ${point_id}`)
    granted = granted.filter(({ until }) => until > site.clock.now())
    for (const { contentId, objects, at } of granted) {
      for (const hash of objects) {
        const there = await Promise.all([
          site.store.has({ kind: 'pack', hash }),
          site.store.has({ kind: 'page', hash }),
        ])
        assert.ok(there.includes(true), `${hash} of a layout that was given out is in the library`)
      }
      for (const gateway of gateways)
        if (
          gateway.sinceReadMs() < 4 * HOUR &&
          at.includes(gateway.id) &&
          isInstalled.has(`${contentId} ${gateway.id}`)
        )
          assert.ok(gateway.serves(contentId, objects), 'a layout that was given out is served')
    }
    for (const { content_id, point_id } of rows) {
      const gateway = gateways.find(({ id }) => id === point_id)
      if (gateway === undefined || gateway.sinceReadMs() >= 4 * HOUR) continue
      assert.ok(gateway.serves(content_id, await layoutObjects(content_id)), 'the layout of now is served')
    }
  }

  async function run(one: { contentId: ContentId }): Promise<void> {
    await endRun()
    await db
      .insertInto('deployment_devices')
      .values({
        ...{ deployment_id: deployment, device_id: device, state: 'running', refusals: '[]', run_id: null },
        ...{ run_contents: JSON.stringify([one.contentId]), run_started_at: site.clock.now() },
        ...{ report: null, changed_at: site.clock.now() },
      })
      .execute()
  }

  async function endRun(): Promise<void> {
    await db.deleteFrom('deployment_devices').execute()
  }

  async function needed(): Promise<Set<ContentId>> {
    const living = await db
      .selectFrom('package_versions')
      .select('content_id')
      .where('deleted_at', 'is', null)
      .execute()
    const tokens = await db
      .selectFrom('content_leases')
      .select('content_id')
      .where('until', '>', site.clock.now())
      .execute()
    const runs = await db
      .selectFrom('deployment_devices')
      .select('run_contents')
      .where('run_started_at', '>', site.clock.now() - 7 * 24 * HOUR)
      .execute()
    const running = runs.flatMap(({ run_contents }) => JSON.parse(run_contents ?? '[]') as ContentId[])
    return new Set([...living, ...tokens].map(({ content_id }) => content_id).concat(running))
  }

  async function allIsThere(): Promise<void> {
    for (const contentId of await needed()) {
      const row = await db
        .selectFrom('package_versions as version')
        .innerJoin('packages', 'packages.id', 'version.package_id')
        .select(['root', 'layout_hash', 'package_key'])
        .where('content_id', '=', contentId)
        .executeTakeFirst()
      if (row === undefined) assert.fail(`${contentId} is forgotten`)
      const folder = await mkdtemp(join(site.root, 'whole-'))
      const { root, layout_hash: layout, package_key: packageKey } = row
      await restore({ store: site.store, contentId, root, layout, packageKey, folder })
      const content = files.get(contentId) ?? assert.fail()
      assert.deepEqual((await readdir(folder)).sort(), Object.keys(content).sort())
      for (const [name, size] of Object.entries(content))
        assert.ok((await readFile(join(folder, name))).equals(seededBytes(`${name} ${size}`, size)), name)
      await rm(folder, { recursive: true })
    }
  }

  const names = Object.keys(steps)
  try {
    for (let i = 0; i < STEPS; i++) {
      const name = FIRST[i] ?? names[below(names.length)] ?? ''
      told = [...told, name]
      await steps[name]?.()
      await allIsThere()
      await gatewaysServe()
    }
    assert.ok(rewritten, 'something was rewritten')
    await endRun()
    for (const { id } of await site.library.list()) await site.library.deletePackage(id, { force: true })
    for (let day = 0; day < 4; day++) {
      site.clock.advance(49 * HOUR)
      await site.library.collect()
    }
    for (const kind of ['pack', 'page'] as const)
      for await (const { hash } of site.store.list(kind)) assert.fail(`the ${kind} ${hash} was left`)
    for (const table of [
      'package_versions',
      'version_objects',
      'packs',
      'chunks',
      'condemned_objects',
      'distributions',
      ...(['layout_moves', 'next_objects', 'layout_arrivals'] as const),
    ] as const)
      assert.deepEqual(await db.selectFrom(table).selectAll().execute(), [], table)
  } catch (error) {
    throw new Error(`after: ${told.join(', ')}`, { cause: error })
  }
}

async function insertDeployment(db: Kysely<Database>, now: number): Promise<DeploymentId> {
  const id = newId('dep', DeploymentId)
  const sequence_id = newId('seq', SequenceId)
  const collection_id = newId('col', CollectionId)
  await db.insertInto('sequences').values({ id: sequence_id, name: 'Upgrade', revision: 1 }).execute()
  await db.insertInto('collections').values({ id: collection_id, name: 'All', created_at: now }).execute()
  await db
    .insertInto('deployments')
    .values({
      ...{ id, revision: 1, sequence_id, collection_id, settings: '{}', created_at: now, changed_at: now },
      ...{ author: null, approved_by: null, approved_digest: null },
    })
    .execute()
  return id
}

function busy(error: unknown): undefined {
  if (!(error instanceof ProblemError && error.problem.code === 'BUSY')) throw error
}
