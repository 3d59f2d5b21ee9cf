/** Root keys of three holders, of whom two must sign: a site as a real process, and a workstation. */
import assert from 'node:assert/strict'
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { CatalogueInfo } from '@sluice/protocol'
import { sluice } from './testing/command.ts'
import { testSite } from './testing/site.ts'

const { folder, as: site, json } = await testSite('holders')
const as = (...args: string[]) => site(args)
const keys = join(folder, 'keys')
const secret = join(folder, 'passphrase')
const ofHolder = join(folder, 'of-holder')
const handed = join(folder, 'holder-3.key')
before(async () => {
  await writeFile(secret, 'a passphrase of several words\n')
  await writeFile(ofHolder, 'what only one of the holders knows\n')
})

const signing = ['--keys', keys, '--passphrase-file', secret, '--yes']
const roots = (info: CatalogueInfo) => info.keys.filter(({ role }) => role === 'root').map(({ keyid }) => keyid)

test('keys of three holders are made, and one is handed to its holder', async () => {
  const init = (...args: string[]) => sluice(['keys', 'init', keys, '--passphrase-file', secret, ...args])
  assert.match((await init('--root-keys', '2', '--threshold', '3')).stderr, /3 of 2 root keys cannot sign/)
  const made = await init('--root-keys', '3', '--threshold', '2', '--json')
  assert.equal(made.code, 0, made.stderr)
  assert.deepEqual(
    (made.json as { role: string }[]).map(({ role }) => role),
    ['root', 'root', 'root', 'release'],
  )
  assert.deepEqual((await sluice(['keys', 'export', keys, '--json'])).json, made.json)
  const exported = await sluice([
    ...['keys', 'export', keys, '--holder', '3', '--to', handed],
    ...['--passphrase-file', secret, '--new-passphrase-file', ofHolder],
  ])
  assert.equal(exported.code, 0, exported.stderr)
  assert.match(exported.stdout, /holds root-3 .* not in .* any more/)
  assert.deepEqual((await readdir(keys)).filter((name) => name.endsWith('.key')).sort(), [
    ...['release.key', 'root-1.key', 'root-2.key'],
  ])
})

test('two of them move the site, and its state says so', async () => {
  const moved = await json<CatalogueInfo>('keys', 'move', ...signing)
  assert.deepEqual([moved.mode, moved.rootThreshold, roots(moved).length], ['offline', 2, 3])
  assert.match((await as('keys', 'status')).stdout, /\n2 of 3 root keys must sign a new root\.\n/)
})

test('one alone signs no root; two do, wherever their keys are', async () => {
  const alone = await as(
    'keys',
    'rotate',
    'timestamp',
    ...signing,
    '--root-key',
    handed,
    '--root-passphrase-file',
    ofHolder,
  )
  assert.match(alone.stderr, /2 root keys must sign; 1 of those that count were given/)
  const twice = ['--root-key', join(keys, 'root-1.key'), '--root-key', join(keys, 'root-1.key')]
  assert.match(
    (await as('keys', 'rotate', 'timestamp', ...signing, ...twice)).stderr,
    /1 of those that count were given/,
  )
  const before = await json<CatalogueInfo>('keys', 'status')
  const both = [
    ...['--root-key', handed, '--root-passphrase-file', ofHolder],
    ...['--root-key', join(keys, 'root-2.key'), '--root-passphrase-file', secret],
  ]
  const after = await json<CatalogueInfo>('keys', 'rotate', 'timestamp', ...signing, ...both)
  assert.deepEqual(roots(after), roots(before))
  assert.notDeepEqual(after.keys, before.keys)
})

test('holders sign at different places: copies go round, and are put together', async () => {
  const [file, copy, late] = ['proposed.json', 'copy.json', 'late.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const before = await json<CatalogueInfo>('keys', 'status')
  const proposed = await as('keys', 'rotate', 'snapshot', ...signing, '--propose', file)
  assert.match(proposed.stdout, /each holder runs .* until /)
  assert.match(proposed.stderr, /snapshot: 1 of 1 must sign\n {2}[0-9a-f]{64} {2}NEW\n {2}[0-9a-f]{64} {2}GOES/)
  await copyFile(file, copy)
  const finish = (...files: string[]) => as('keys', 'finish', ...files, ...signing)
  const signs = (path: string, key: string, passphrase: string) =>
    sluice(['keys', 'sign', path, '--root-key', key, '--root-passphrase-file', passphrase, '--yes'])

  assert.match((await finish(file)).stderr, /2 more must sign it/)
  assert.match((await signs(file, handed, ofHolder)).stdout, /1 more must sign it, or a copy of it/)
  assert.match((await signs(file, handed, ofHolder)).stdout, /1 more must sign/, 'twice is once')
  assert.match((await signs(copy, join(keys, 'release.key'), secret)).stderr, /holds a key for release/)
  assert.match((await signs(copy, join(keys, 'root-1.key'), secret)).stdout, /1 more must sign/)
  assert.match((await finish(copy)).stderr, /1 more must sign it/)

  // What somebody changed on the way is another proposal, and its signatures are none.
  const text = await readFile(copy, 'utf8')
  await writeFile(late, text.replaceAll(/"expiresAt": "[^"]*"/g, '"expiresAt": "2026-01-01T00:00:00.000Z"'))
  assert.match((await signs(late, join(keys, 'root-2.key'), secret)).stderr, /had to be finished by 2026-01-01/)
  await writeFile(
    late,
    text.replace(/("next": .*?\\"expires\\":\\")\d{4}/, (_, head: string) => `${head}2099`),
  )
  assert.match((await finish(file, late)).stderr, /different proposals/)
  assert.match((await finish(late)).stderr, /2 more must sign it/)

  assert.equal((await finish(file, copy)).code, 0)
  const after = await json<CatalogueInfo>('keys', 'status')
  const keyOf = (info: CatalogueInfo) => info.keys.find(({ role }) => role === 'snapshot')?.keyid
  assert.notEqual(keyOf(after), keyOf(before))
  assert.deepEqual(roots(after), roots(before))
  assert.match((await finish(file, copy)).stderr, /follows another one/)
})

test('a root key and the release key are replaced so, too', async () => {
  for (const [role, more] of [
    ['root', ['--replace', 'root-1']],
    ['release', []],
  ] as const) {
    const before = await json<CatalogueInfo>('keys', 'status')
    const file = join(folder, `${role}.json`)
    await json('keys', 'rotate', role, ...more, ...signing, '--propose', file)
    for (const [key, passphrase] of [
      [handed, ofHolder],
      [join(keys, 'root-2.key'), secret],
    ] as const)
      await sluice(['keys', 'sign', file, '--root-key', key, '--root-passphrase-file', passphrase, '--yes'])
    const after = await json<CatalogueInfo>('keys', 'finish', file, ...signing)
    const idsOf = (info: CatalogueInfo) => info.keys.filter((one) => one.role === role).map(({ keyid }) => keyid)
    assert.notDeepEqual(idsOf(after), idsOf(before))
  }
  assert.deepEqual(
    (await readdir(keys)).filter((name) => name.includes('.next.')),
    [],
  )
})

test('a root key that is lost is replaced by the others', async () => {
  const before = await json<CatalogueInfo>('keys', 'status')
  assert.match((await as('keys', 'rotate', 'root', ...signing)).stderr, /--replace root-1, root-2, root-3/)
  const after = await json<CatalogueInfo>('keys', 'rotate', 'root', '--replace', 'root-3', ...signing)
  assert.deepEqual(roots(after).slice(0, 2), roots(before).slice(0, 2))
  assert.notEqual(roots(after)[2], roots(before)[2])
  assert.equal(after.rootThreshold, 2)
  // What its holder had counts for nothing any more.
  const gone = ['--root-key', handed, '--root-passphrase-file', ofHolder, '--root-key', join(keys, 'root-1.key')]
  assert.match((await as('keys', 'rotate', 'policy', ...signing, ...gone)).stderr, /1 of those that count were given/)
  await json('keys', 'rotate', 'release', ...signing)
})
