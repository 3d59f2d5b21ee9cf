import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { nextNumbers } from './counter.ts'
import { openDatabase } from './database.ts'
import { migrations } from './migrations/index.ts'
import { onEveryDatabase } from './testing.ts'
import { columnTypes, isPostgres } from './types.ts'
import { isForeignKeyViolation, isUniqueViolation } from './violation.ts'

onEveryDatabase('a committed transaction stays, a failed one leaves nothing', async (db) => {
  await db.transaction().execute(async (trx) => {
    await trx.insertInto('counters').values({ name: 'kept', value: 1 }).execute()
  })
  await assert.rejects(
    db.transaction().execute(async (trx) => {
      await trx.insertInto('counters').values({ name: 'lost', value: 1 }).execute()
      throw new Error('changed my mind')
    }),
    /changed my mind/,
  )
  const rows = await db.selectFrom('counters').selectAll().execute()
  assert.deepEqual(rows, [{ name: 'kept', value: 1 }])
})

onEveryDatabase('a statement that fails does not spoil the connection', async (db) => {
  await assert.rejects(sql`select * from nowhere`.execute(db))
  await assert.rejects(db.transaction().execute((trx) => sql`select * from nowhere`.execute(trx)))
  const { rows } = await sql<{ one: number }>`select 1 as one`.execute(db)
  assert.deepEqual(
    rows.map((row) => ({ ...row })),
    [{ one: 1 }],
  )
})

onEveryDatabase('a transaction has the database to itself: no update is lost', async (db) => {
  await db.insertInto('counters').values({ name: 'n', value: 0 }).execute()
  const increments = Array.from({ length: 40 }, () =>
    db.transaction().execute(async (trx) => {
      const { value } = await trx
        .selectFrom('counters')
        .select('value')
        .where('name', '=', 'n')
        .$call((query) => (isPostgres(trx) ? query.forUpdate() : query))
        .executeTakeFirstOrThrow()
      await trx
        .updateTable('counters')
        .set({ value: value + 1 })
        .where('name', '=', 'n')
        .execute()
    }),
  )
  await Promise.all(increments)
  const { value } = await db.selectFrom('counters').select('value').executeTakeFirstOrThrow()
  assert.equal(value, 40)
})

onEveryDatabase('numbers up to 2^53 come back as numbers, larger ones as a fault', async (db) => {
  const largest = Number.MAX_SAFE_INTEGER
  await db.insertInto('counters').values({ name: 'large', value: largest }).execute()
  const row = await db
    .selectFrom('counters')
    .select((eb) => ['value', eb.fn.countAll<number>().as('count'), eb.fn.sum<number>('value').as('sum')])
    .groupBy('value')
    .executeTakeFirstOrThrow()
  assert.deepEqual({ ...row }, { value: largest, count: 1, sum: largest })
  await assert.rejects(sql`select value + 1 as more from counters`.execute(db), /too large|beyond/)
})

onEveryDatabase('bytes come back as they were, from views and large ones too', async (db) => {
  const types = columnTypes(db)
  await db.schema.createTable('blobs').addColumn('id', types.integer).addColumn('body', types.bytes).execute()
  const bodies = [new Uint8Array(0), Buffer.from('a view of a shared buffer'), new Uint8Array(3 * 1024 * 1024).fill(7)]
  for (const [id, body] of bodies.entries()) await sql`insert into blobs values (${id}, ${body})`.execute(db)
  const { rows } = await sql<{ body: Uint8Array }>`select body from blobs order by id`.execute(db)
  assert.deepEqual(
    rows.map((row) => Buffer.compare(row.body, bodies.shift() ?? new Uint8Array([1]))),
    [0, 0, 0],
  )
})

onEveryDatabase('broken constraints can be told apart', async (db) => {
  const insert = () => db.insertInto('counters').values({ name: 'one', value: 1 }).execute()
  await insert()
  await assert.rejects(insert(), isUniqueViolation)
  const orphan = sql`insert into collection_members values ('col_0000000000', 'dev_0000000000')`.execute(db)
  await assert.rejects(orphan, (error) => isForeignKeyViolation(error) && !isUniqueViolation(error))
})

onEveryDatabase('whoever sees a number of a counter sees every smaller one', async (db) => {
  const taken: number[] = []
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      db.transaction().execute(async (trx) => {
        const first = await nextNumbers(trx, 'things', i + 1)
        for (let n = first; n <= first + i; n++) {
          await trx
            .insertInto('counters')
            .values({ name: `thing ${n}`, value: n })
            .execute()
          taken.push(n)
        }
      }),
    ),
  )
  assert.deepEqual(
    taken,
    Array.from({ length: 210 }, (_, i) => i + 1),
  )
})

onEveryDatabase('opening again applies nothing; several may open at once', async (_, location) => {
  const opened = await Promise.all([openDatabase(location), openDatabase(location), openDatabase(location)])
  for (const result of opened) {
    assert.ok(result.ok)
    const { rows } = await sql<{ name: string }>`select name from migrations order by name`.execute(result.value)
    assert.deepEqual(
      rows.map((row) => row.name),
      migrations.map((migration) => migration.name),
    )
    await result.value.destroy()
  }
})

onEveryDatabase('a database of a newer version is refused, untouched', async (db, location) => {
  await sql`insert into migrations values ('9999-from-the-future')`.execute(db)
  const opened = await openDatabase(location)
  assert.ok(!opened.ok)
  assert.equal(opened.problem.code, 'DATA_TOO_NEW')
  assert.match(opened.problem.detail, /9999-from-the-future/)
})
