/** Pages of devices: stable, filtered, by index, and never beyond a scope. */
import assert from 'node:assert/strict'
import {
  CollectionId,
  DeploymentDeviceQuery,
  DeploymentId,
  DeploymentSettings,
  DeviceId,
  DeviceQuery,
  ProblemError,
} from '@sluice/protocol'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { isPostgres } from '../db/types.ts'
import { pageOfDeviceStates, stateCounts } from '../deployments/device-state.ts'
import { type ListedDevices, pageOfDevices } from './device-list.ts'

const idOf = (number: number) => DeviceId.parse(`dev_${String(number).padStart(10, '0')}`)
const collectionId = CollectionId.parse('col_0000000000')
const HOUR_MS = 3600_000
/** Of the devices; ten enrol at the same time. */
const enrolledAt = (number: number) => Math.floor(number / 10) * HOUR_MS

interface Odd {
  state?: 'pending' | 'revoked'
  blocked_at?: number
  hostname?: string
  last_seen_at?: number
}

/** So many approved devices, seen an hour after they came, but for some that differ. */
async function makeDevices(db: Kysely<Database>, count: number, odd: Record<number, Odd> = {}): Promise<void> {
  const rows = Array.from({ length: count }, (_, number) => {
    const { hostname = `PC-${number}`, ...other } = odd[number] ?? {}
    return {
      ...{ id: idOf(number), state: 'approved' as const, fingerprint: String(number) as never, seal_key: '' },
      ...{ facts: JSON.stringify({ hostname }), agent: '{}', enrolled_at: enrolledAt(number) },
      ...{ last_seen_at: enrolledAt(number) + HOUR_MS, blocked_at: null, ...other },
    }
  })
  for (let at = 0; at < count; at += 1_000)
    await db
      .insertInto('devices')
      .values(rows.slice(at, at + 1_000))
      .execute()
}

/** Makes a collection of these devices. */
async function makeCollection(db: Kysely<Database>, members: DeviceId[], id = collectionId): Promise<void> {
  await db.insertInto('collections').values({ id, name: id, created_at: 1 }).execute()
  for (let at = 0; at < members.length; at += 1_000)
    await db
      .insertInto('collection_members')
      .values(members.slice(at, at + 1_000).map((device_id) => ({ collection_id: id, device_id })))
      .execute()
}

const query = (asked: Partial<ListedDevices> = {}): ListedDevices => ({ ...DeviceQuery.parse({}), ...asked })

/** All pages. @param between what happens after each */
async function allOf(db: Kysely<Database>, asked: Partial<ListedDevices>, between = async () => {}) {
  const pages: DeviceId[][] = []
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await pageOfDevices(db, query({ ...asked, cursor }))
    pages.push(page.items)
    cursor = page.next
    await between()
  }
  return pages
}

onEveryDatabase('pages follow each other without gap or repetition, whatever comes and goes', async (db) => {
  await makeDevices(db, 95)
  const everybody = Array.from({ length: 95 }, (_, number) => idOf(number))
  const pages = await allOf(db, { limit: 10 })
  assert.deepEqual(
    pages.map((page) => page.length),
    [10, 10, 10, 10, 10, 10, 10, 10, 10, 5],
  )
  assert.deepEqual(pages.flat(), everybody)

  // The device at the end of each page goes, and one comes.
  let turn = 0
  const moving = await allOf(db, { limit: 10 }, async () => {
    await db
      .deleteFrom('devices')
      .where('id', '=', idOf(turn * 10 + 9))
      .execute()
    const columns = { state: 'approved', seal_key: '', facts: '{}', agent: '{}' } as const
    const id = idOf(1_000 + turn)
    turn += 1
    if (turn <= 9)
      await db
        .insertInto('devices')
        .values({ id, fingerprint: id as never, ...columns, enrolled_at: 1e9 })
        .execute()
  })
  const seen = moving.flat()
  assert.equal(new Set(seen).size, seen.length)
  assert.deepEqual(seen.slice(0, 95), everybody)
  assert.ok(seen.includes(idOf(1_000)), 'who came meanwhile stands at the end')
})

onEveryDatabase('filters: part of a name, state, collection, last seen, and what a scope leaves', async (db) => {
  await makeDevices(db, 40, {
    3: { hostname: 'Reception_100%' },
    4: { hostname: 'RECEPTION-2', state: 'pending' },
    5: { state: 'revoked' },
    6: { blocked_at: 1 },
  })
  await db.updateTable('devices').set({ last_seen_at: null }).where('id', '=', idOf(7)).execute()
  await makeCollection(db, [3, 4, 5, 20].map(idOf))
  const numbers = async (asked: Partial<ListedDevices>) => {
    const { items, total } = await pageOfDevices(db, query({ ...asked, total: true }))
    assert.equal(total, items.length)
    return items.map((id) => Number(id.slice(4)))
  }
  assert.deepEqual(await numbers({ name: 'RecEption' }), [3, 4])
  assert.deepEqual(await numbers({ name: '_100%' }), [3], 'signs stand for themselves')
  assert.deepEqual(await numbers({ name: '%' }), [3])
  assert.deepEqual(await numbers({ name: "' or 1=1 --" }), [])
  assert.deepEqual(await numbers({ state: 'pending' }), [4])
  assert.deepEqual(await numbers({ state: 'revoked' }), [5])
  assert.deepEqual(await numbers({ state: 'blocked' }), [6])
  assert.equal((await numbers({ state: 'approved' })).length, 37)
  assert.deepEqual(await numbers({ collection: collectionId }), [3, 4, 5, 20])
  assert.deepEqual(await numbers({ collection: collectionId, name: 'pc' }), [5, 20])
  const from = new Date(enrolledAt(20)).toISOString()
  assert.equal((await numbers({ seenBefore: from })).length, 10, 'who was never seen among them')
  assert.equal((await numbers({ seenAfter: from })).length, 20)
  const other = CollectionId.parse('col_other00000')
  await makeCollection(db, [idOf(20)], other)
  assert.deepEqual(await numbers({ collections: [other] }), [20])
  assert.deepEqual(await numbers({ collection: collectionId, collections: [other] }), [20])
  assert.deepEqual(await numbers({ collections: [] }), [])
})

onEveryDatabase('a cursor of another list, or of nobody, is refused', async (db) => {
  const of = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const cursor of ['x', '####', of({}), of([1]), of(['1', '2']), of([1, 2]), of([1, 'a', 'b']), of(null)])
    await assert.rejects(
      pageOfDevices(db, query({ cursor })),
      (error) => error instanceof ProblemError && error.problem.code === 'BAD_REQUEST',
    )
})

/** How the database goes about the page that was asked for last. */
async function planOf(db: Kysely<Database>, asked: Partial<ListedDevices>): Promise<string> {
  const asks: { sql: string; parameters: readonly unknown[] }[] = []
  const spied = db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => result,
  })
  const executor = spied.getExecutor()
  const compile = executor.compileQuery.bind(executor)
  executor.compileQuery = (node, id) => {
    const compiled = compile(node, id)
    asks.push(compiled)
    return compiled
  }
  await pageOfDevices(spied, query(asked))
  const [first] = asks
  assert.ok(first)
  const parts = first.sql.split(isPostgres(db) ? /\$\d+/ : /\?/)
  const text = parts.flatMap((part, i) => [
    sql.raw(part),
    ...(i < parts.length - 1 ? [sql.lit(first.parameters[i])] : []),
  ])
  const explain = isPostgres(db) ? sql`explain ` : sql`explain query plan `
  const { rows } = await sql<Record<string, unknown>>`${explain}${sql.join(text, sql``)}`.execute(db)
  return rows.map((row) => row['QUERY PLAN'] ?? row.detail).join('\n')
}

onEveryDatabase('a page is found by an index, wherever it begins', async (db) => {
  await makeDevices(db, 20_000, { 5000: { state: 'pending' }, 6000: { blocked_at: 1 } })
  await sql`analyze`.execute(db)
  const { next: cursor } = await pageOfDevices(db, query({ limit: 1_000 }))
  for (const asked of [{}, { cursor }]) {
    const plan = await planOf(db, asked)
    assert.match(plan, /devices_in_order/, plan)
    assert.doesNotMatch(plan, /Seq Scan|TEMP B-TREE|Sort/, plan)
  }
  // A part of a name may stand anywhere: every name is looked at, and no row beside. PostgreSQL weighs it each time.
  if (!isPostgres(db)) assert.match(await planOf(db, { name: '777' }), /devices_in_order/)
  assert.match(await planOf(db, { state: 'pending' }), /devices_by_state/)
  assert.match(await planOf(db, { state: 'blocked' }), /devices_blocked/)
})

onEveryDatabase('how a deployment stands comes in pages too, with counts of all', async (db) => {
  const members = Array.from({ length: 30 }, (_, number) => idOf(number))
  await makeDevices(db, 30)
  await makeCollection(db, members)
  await db
    .insertInto('sequences')
    .values({ id: 'seq_0000000000' as never, name: 'S', revision: 1 })
    .execute()
  const id = DeploymentId.parse('dep_0000000000')
  const settings = JSON.stringify(DeploymentSettings.parse({}))
  await db
    .insertInto('deployments')
    .values({
      ...{ id, revision: 1, settings, sequence_id: 'seq_0000000000' as never, collection_id: collectionId },
      ...{ created_at: 1, changed_at: 1 },
    })
    .execute()
  for (const number of [2, 12, 22])
    await db
      .insertInto('deployment_devices')
      .values({
        ...{ deployment_id: id, device_id: idOf(number), state: number === 2 ? 'failed' : 'succeeded' },
        ...{ refusals: '[]', run_id: null, run_contents: null, run_started_at: null, report: null, changed_at: 1 },
      })
      .execute()
  assert.deepEqual(await stateCounts(db, id), { waiting: 27, failed: 1, succeeded: 2 })
  const page = (asked: Partial<DeploymentDeviceQuery>) =>
    pageOfDeviceStates(db, id, { ...DeploymentDeviceQuery.parse({}), ...asked })
  const first = await page({ limit: 20, total: true })
  const second = await page({ limit: 20, cursor: first.next })
  assert.deepEqual(
    [...first.items, ...second.items].map(({ deviceId }) => deviceId),
    members,
  )
  assert.deepEqual([first.total, second.next], [30, undefined])
  const failed = await page({ state: 'failed', total: true })
  assert.deepEqual([failed.items.map(({ deviceId }) => deviceId), failed.total], [[idOf(2)], 1])
  assert.equal((await page({ state: 'waiting' })).items.length, 27)
})
