/** Root keys of three holders, of whom two must sign: a site as a real process, and a workstation. */
import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
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
