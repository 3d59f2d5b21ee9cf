import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { startChild } from '../testing/child.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { migrations } from './migrations.ts'
import { privateAccess } from './private-folder.ts'
import { createSettings } from './settings.ts'
import { openState, type State } from './state.ts'

async function open(folder: string): Promise<State> {
  const state = await openState(folder)
  assert.ok(state.ok, JSON.stringify(state))
  return state.value
}

/** Windows has no such bits; what is above the folder is not looked at there. */
const noModes = process.platform === 'win32' ? 'Windows has no permission bits' : false

const code = (result: Awaited<ReturnType<typeof openState>>) => (result.ok ? 'opened' : result.problem.code)

test('what was set is there after closing and opening again', async (t) => {
  const folder = join(temporaryFolder(t), 'new', 'state')
  const first = await open(folder)
  createSettings(first).set('colour', 'blue')
  first.close()
  const second = await open(folder)
  assert.equal(createSettings(second).get('colour'), 'blue')
  assert.equal(createSettings(second).get('shape'), undefined)
  second.close()
})

test('folder and files are for their owner only', async (t) => {
  const folder = join(temporaryFolder(t), 'state')
  const state = await open(folder)
  createSettings(state).set('colour', 'blue')
  const files = readdirSync(folder)
  assert.ok(files.includes('agent.db-wal'))
  // Windows has lists instead, which what is in the folder inherits: the next test.
  if (process.platform !== 'win32') {
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    for (const file of files) assert.equal(statSync(join(folder, file)).mode & 0o077, 0, file)
  }
  state.close()
})

test('on Windows nobody but the system, administrators and the agent gets into the folder, or what is made in it', () => {
  assert.deepEqual(privateAccess('C:\\ProgramData\\Sluice', 'SYSTEM'), [
    ...['C:\\ProgramData\\Sluice', '/inheritance:r', '/grant:r'],
    ...['*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F', '/q'],
  ])
  assert.ok(privateAccess('C:\\x', 'anna').includes('anna:(OI)(CI)F'))
})

test('a transaction that throws leaves nothing, also when it is within another', async (t) => {
  const state = await open(temporaryFolder(t))
  const settings = createSettings(state)
  assert.throws(
    () =>
      state.transaction(() => {
        settings.set('a', '1')
        state.transaction(() => settings.set('b', '2'))
        throw new Error('no')
      }),
    /no/,
  )
  assert.equal(settings.get('a'), undefined)
  assert.equal(settings.get('b'), undefined)
  assert.equal(
    state.transaction(() => 'fine'),
    'fine',
  )
  state.close()
})

test('a second agent is refused while the first lives, and is let in as soon as the first was killed', async (t) => {
  const folder = temporaryFolder(t)
  const holder = startChild(
    t,
    `
    import { openState } from ${JSON.stringify(new URL('state.ts', import.meta.url).href)}
    const state = await openState(${JSON.stringify(folder)})
    console.log(state.ok ? 'held' : state.problem.code)
    setInterval(() => {}, 1000)
  `,
  )
  await holder.line((line) => line === 'held')
  assert.equal(code(await openState(folder)), 'DATA_FOLDER_IN_USE')
  await holder.kill()
  const next = await open(folder)
  next.close()
})

test('of many agents started at once, exactly one runs (REL-23)', async (t) => {
  const folder = temporaryFolder(t)
  const children = Array.from({ length: 6 }, () =>
    startChild(
      t,
      `
      import { openState } from ${JSON.stringify(new URL('state.ts', import.meta.url).href)}
      const state = await openState(${JSON.stringify(folder)})
      console.log(state.ok ? 'held' : state.problem.code)
      setInterval(() => {}, 1000)
    `,
    ),
  )
  const outcomes = await Promise.all(children.map((child) => child.line(() => true)))
  assert.deepEqual(outcomes.sort(), [...Array.from({ length: 5 }, () => 'DATA_FOLDER_IN_USE'), 'held'])
})

test('a file of a newer agent is not touched', async (t) => {
  const folder = temporaryFolder(t)
  ;(await open(folder)).close()
  const db = new DatabaseSync(join(folder, 'agent.db'))
  db.exec(`PRAGMA user_version = ${migrations.length + 1}`)
  db.close()
  assert.equal(code(await openState(folder)), 'DATA_TOO_NEW')
  // The folder is free again: the newer agent can have it.
  const newer = await openState(folder, [...migrations, { name: 'more', sql: 'SELECT 1' }])
  assert.ok(newer.ok)
  newer.value.close()
})

test('migrations run once, in order, on an older file', async (t) => {
  const folder = temporaryFolder(t)
  const one = { name: 'one', sql: 'CREATE TABLE one (x)' }
  const two = { name: 'two', sql: 'CREATE TABLE two (y); INSERT INTO two VALUES (1)' }
  const first = await openState(folder, [one])
  assert.ok(first.ok)
  first.value.close()
  for (const _ of ['upgrade', 'again']) {
    const next = await openState(folder, [one, two])
    assert.ok(next.ok)
    assert.equal(next.value.db.prepare('SELECT count(*) AS n FROM two').get()?.n, 1)
    next.value.close()
  }
})

for (const [what, damage] of [
  [
    'is no database',
    (file: string) => writeFileSync(file, 'this is not a database, and long enough to tell'.repeat(99)),
  ],
  [
    'has a damaged page',
    (file: string) => {
      const bytes = readFileSync(file)
      bytes.fill(0xa5, 4096 + 8, 4096 * 3)
      writeFileSync(file, bytes)
    },
  ],
] as const) {
  test(`a file that ${what} is set aside, and the agent goes on with a new one`, async (t) => {
    const folder = temporaryFolder(t)
    const first = await open(folder)
    createSettings(first).set('colour', 'blue')
    first.close()
    damage(join(folder, 'agent.db'))
    const damaged = readFileSync(join(folder, 'agent.db'))

    const second = await open(folder)
    assert.equal(second.setAside, join(folder, 'agent.db.damaged-1'))
    assert.deepEqual(readFileSync(join(folder, 'agent.db.damaged-1')), damaged)
    assert.equal(createSettings(second).get('colour'), undefined)
    second.close()
    const third = await open(folder)
    assert.equal(third.setAside, undefined)
    third.close()
  })
}

test('a folder below one that every user may write into is refused', { skip: noModes }, async (t) => {
  const open = join(temporaryFolder(t), 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  const refused = await openState(join(open, 'state'))
  assert.ok(!refused.ok)
  assert.equal(refused.problem.code, 'CONFIGURATION_INVALID')
  // As in /tmp: others cannot rename what is not theirs.
  chmodSync(open, 0o1777)
  const allowed = await openState(join(open, 'state'))
  assert.ok(allowed.ok)
  allowed.value.close()
})
