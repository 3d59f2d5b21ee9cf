import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ContentId, PackageId, type RunId, type Sha256 } from '@sluice/protocol'
import { openState } from '../state/state.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { until } from '../testing/until.ts'
import { openCache } from './cache.ts'
import { type EntryId, entryIdOf } from './entry.ts'

const agent = fileURLToPath(new URL('../../bin/sluice-agent.ts', import.meta.url))
const contentId = (letter: string) => letter.repeat(64) as ContentId
const key = { packageKey: new Uint8Array(32), layout: { hash: '0'.repeat(64) as Sha256, sizeBytes: 1 } }
const run = 'run_0000000001' as RunId

/** A device whose agent is this process, with three contents; and its command line. */
async function device(t: TestContext) {
  const folder = temporaryFolder(t)
  const config = join(folder, 'agent.json')
  writeFileSync(config, JSON.stringify({ stateFolder: 'state', enrolmentBundle: 'bundle.json' }))
  const state = await openState(join(folder, 'state'))
  assert.ok(state.ok)
  t.after(() => state.value.close())
  const limits = () => ({ maxBytes: 1e9, maxPercent: 100, minimumAgeMs: 0 })
  const cache = await openCache({ folder: join(folder, 'state/cache'), state: state.value, now: Date.now, limits })
  const put = async (entryId: EntryId, id: string, persist = false) => {
    cache.begin({ entryId, packageId: PackageId.parse(id), version: 7, persist })
    mkdirSync(cache.incomingOf(entryId), { recursive: true })
    writeFileSync(join(cache.incomingOf(entryId), 'file'), 'bytes')
    await cache.publish(entryId, key, 5)
  }
  await put(entryIdOf(contentId('a')), 'ABC00001')
  await put(entryIdOf(contentId('b')), 'ABC00002', true)
  await put(entryIdOf(contentId('c'), ['setup.exe']), 'ABC00003')
  const command = (...args: string[]) =>
    new Promise<{ code: number; out: string; error: string }>((resolve) => {
      execFile(process.execPath, [agent, 'cache', ...args, '--config', config], (failure, out, error) =>
        resolve({ code: Number(failure?.code ?? 0), out, error }),
      )
    })
  return { folder, config, cache, state: state.value, command, put }
}

test('beside an agent that runs: list, pin and delete, and nothing that a run needs', async (t) => {
  const { cache, state, command } = await device(t)
  const [a, b, c] = [entryIdOf(contentId('a')), entryIdOf(contentId('b')), entryIdOf(contentId('c'), ['setup.exe'])]
  state.transaction(() => cache.lease(run, [contentId('c')]))

  const shown = await command('list')
  assert.match(shown.out, /ABC00001 {2}7 +aaaaaaaaaaaa {2}0\.0 MiB +complete/)
  assert.match(shown.out, /ABC00002 .* persists/)
  assert.match(shown.out, /ABC00003 .* some files .* in use/)
  assert.ok(!(await command('list', '--json')).out.includes('packageKey'))

  assert.deepEqual(await command('pin', 'ABC00001'), {
    code: 0,
    out: 'Pinned ABC00001 version 7 (aaaaaaaaaaaa).\n',
    error: '',
  })
  assert.equal(cache.find(a)?.pinned, true)
  for (const kept of ['ABC00001', 'bbbbbbbb', 'ABC00003']) {
    const refused = await command('delete', kept)
    assert.equal(refused.code, 1)
    assert.match(refused.error, /^CONTENT_IN_USE: /)
  }
  assert.deepEqual(
    [a, b, c].map((one) => existsSync(cache.folderOf(one))),
    [true, true, true],
  )

  await command('unpin', 'aaaaaaaaaaaa')
  assert.match((await command('delete', '--all')).out, /^Deleted ABC00001 version 7 \(aaaaaaaaaaaa\)\.\n$/)
  assert.match((await command('delete', '--all', '--persisted')).out, /^Deleted ABC00002/)
  assert.deepEqual(
    cache.all().map(({ entryId }) => entryId),
    [c],
  )
  assert.deepEqual(
    [a, b, c].map((one) => existsSync(cache.folderOf(one))),
    [false, false, true],
  )
  cache.release(run)
  assert.equal((await command('delete', 'cccccccc')).code, 0)
  assert.deepEqual(cache.all(), [])
})

test('deletes and an agent that leases at the same time: what was leased first is there, again and again', async (t) => {
  const { cache, state, command, put } = await device(t)
  const a = entryIdOf(contentId('a'))
  for (let turn = 0; turn < 5; turn++) {
    if (cache.find(a) === undefined) await put(a, 'ABC00001')
    const deleting = command('delete', 'ABC00001')
    let leased = false
    while (!leased && cache.find(a) !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, turn * 20))
      leased = state.transaction(() => {
        if (cache.find(a) === undefined) return false
        cache.lease(run, [contentId('a')])
        return true
      })
    }
    const { code } = await deleting
    assert.equal(code, leased ? 1 : 0)
    assert.equal(existsSync(cache.folderOf(a)), leased)
    cache.release(run)
  }
})

test('what is asked wrongly is said', async (t) => {
  const { command } = await device(t)
  assert.equal((await command('delete')).code, 2)
  assert.equal((await command('burn', 'ABC00001')).code, 2)
  assert.match((await command('pin', 'ABC00009')).error, /NOT_FOUND: The cache has nothing of ABC00009/)
})

test('kills in the middle of deletes: after the next start every row has its folder, and what was leased is whole', async (t) => {
  const { folder, cache, state, put, config } = await device(t)
  const held = entryIdOf(contentId('c'), ['setup.exe'])
  state.transaction(() => cache.lease(run, [contentId('c')]))
  const names = '0123456789abdef'.split('')
  for (let kill = 0; kill < 4; kill++) {
    for (const letter of names) {
      const entryId = entryIdOf(contentId(letter))
      if (cache.find(entryId) !== undefined) continue
      await put(entryId, 'ABC00004')
      for (let file = 0; file < 20; file++) writeFileSync(join(cache.folderOf(entryId), `more-${file}`), 'more')
    }
    const before = cache.all().length
    const child = spawn(process.execPath, [agent, 'cache', 'delete', '--all', '--persisted', '--config', config])
    const ended = once(child, 'exit')
    await Promise.race([until('it deletes', () => cache.all().length < before), ended])
    // From the moment of its transaction on, at another moment of what follows each time.
    for (let turn = 0; turn < kill; turn++) await new Promise((resolve) => setImmediate(resolve))
    child.kill('SIGKILL')
    await ended
    await cache.scan()
    const rows = cache.all().map(({ entryId }) => entryId)
    const there = [
      ...readdirSync(join(folder, 'state/cache/contents')),
      ...readdirSync(join(folder, 'state/cache/incoming')),
    ]
    assert.deepEqual(there.sort(), [...rows].sort())
    assert.deepEqual(readdirSync(join(folder, 'state/cache/trash')), [])
    assert.ok(existsSync(join(cache.folderOf(held), 'file')))
  }
})

test('what is asked for is told, also of the agent itself', async (t) => {
  const { command } = await device(t)
  const help = await command('--help')
  assert.deepEqual([help.code, help.out], [2, ''])
  assert.match(help.error, /^Usage: sluice-agent cache [\s\S]*delete --all/)
  const run = (...args: string[]) =>
    new Promise<[number, string, string]>((resolve) => {
      execFile(process.execPath, [agent, ...args], (failure, out, error) =>
        resolve([Number(failure?.code ?? 0), out.slice(0, 6), error.slice(0, 30)]),
      )
    })
  assert.deepEqual(await run('--help'), [0, 'Usage:', ''])
  assert.deepEqual(await run('cahce', 'list'), [2, '', 'Usage: sluice-agent --config <'])
  assert.deepEqual(await run('cache', 'list'), [2, '', 'The option --config is missing'])
})
