/** A site as a real process, and the keys that decide what devices run: in its hands first, then on a workstation. */
import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { CatalogueInfo, ReleaseEntry } from '@sluice/protocol'
import { sluice } from './testing/command.ts'
import { testSite } from './testing/site.ts'

const { folder, as, text, json } = await testSite('keys')
const tools = join(folder, 'tools')
const upgrade = join(folder, 'upgrade.yaml')
const keys = join(folder, 'keys')
const secret = join(folder, 'passphrase')
before(async () => {
  await mkdir(tools)
  await writeFile(join(tools, 'run.sh'), 'echo hello\n')
  await writeSequence('sh run.sh')
  await writeFile(secret, 'a passphrase of several words\n')
})

const writeSequence = (command: string): Promise<void> =>
  writeFile(
    upgrade,
    `format: sluice-sequence/1\nname: Upgrade\nsteps:\n  - type: runCommandLine\n    name: Run\n    commandLine: ${command}\n    package: ABC00001\n`,
  )
const signing = ['--keys', keys, '--passphrase-file', secret, '--yes']
const onSite = (info: CatalogueInfo) => info.keys.filter((key) => key.onSite).map((key) => key.role)
const states = async () =>
  (await json<ReleaseEntry[]>('release', 'list')).map(({ name, state }) => `${name.replace(/seq_\w+/, 'seq')} ${state}`)

test('online mode says so plainly; any key can be rotated', async () => {
  await text('package', 'import', tools, '--name', 'Tools', '--target', 'linux', '--id', 'ABC00001')
  await text('sequence', 'apply', upgrade)
  assert.match(await text('keys', 'status'), /^Online mode: .* Whoever controls the site decides what devices run\./)
  assert.deepEqual(await states(), ['manifest/ABC00001/1 released', 'sequence/seq/1 released'])
  for (const role of ['timestamp', 'snapshot', 'policy', 'release', 'root']) {
    const before = await json<CatalogueInfo>('keys', 'status')
    const after = await json<CatalogueInfo>('keys', 'rotate', role, '--keys', keys, '--yes')
    const changed = after.keys.filter((key, i) => key.keyid !== before.keys[i]?.keyid).map((key) => key.role)
    assert.deepEqual(changed, [role])
    assert.equal(onSite(after).length, 5)
  }
})

test('keys are made on a workstation and never lie there in the clear', async () => {
  const weak = join(folder, 'weak')
  await writeFile(weak, 'short')
  assert.match((await sluice(['keys', 'init', keys, '--passphrase-file', weak])).stderr, /at least 12 characters/)
  const made = await sluice(['keys', 'init', keys, '--passphrase-file', secret, '--json'])
  assert.equal(made.code, 0, made.stderr)
  assert.deepEqual((await sluice(['keys', 'export', keys, '--json'])).json, made.json)
  assert.doesNotMatch(await readFile(join(keys, 'root.key'), 'utf8'), /PRIVATE/)
  assert.match((await sluice(['keys', 'init', keys, '--passphrase-file', secret])).stderr, /is there already/)
  const early = await as(['release', 'sign', ...signing])
  assert.match(early.stderr, /knows no site yet/)
})

test('the site moves to offline mode: a wrong passphrase moves nothing, and then its keys are gone', async () => {
  const wrong = join(folder, 'wrong')
  await writeFile(wrong, 'another passphrase entirely')
  const refused = await as(['keys', 'move', '--keys', keys, '--passphrase-file', wrong, '--yes'])
  assert.match(refused.stderr, /does not open: the passphrase is wrong/)
  const asked = await as(['keys', 'move', '--keys', keys, '--passphrase-file', secret], { answer: 'no' })
  assert.match(asked.stderr, /Nothing was signed/)
  const moved = await json<CatalogueInfo>('keys', 'move', ...signing)
  assert.equal(moved.mode, 'offline')
  assert.deepEqual(onSite(moved), ['snapshot', 'timestamp', 'policy'])
  const files = await readdir(join(folder, 'site', 'keys', 'signing'))
  assert.ok(!files.includes('root.pem') && !files.includes('release.pem'), files.join())
  assert.match(await text('site'), /Catalogue: +offline/)
  assert.deepEqual(await states(), ['manifest/ABC00001/1 released', 'sequence/seq/1 released'])
  const there = await as(['keys', 'move', ...signing])
  assert.match(there.stderr, /offline mode already/)
})

test('what changes waits for release; it is signed only when it is what the operator has', async () => {
  await text('collection', 'create', 'Pilot')
  await writeSequence('sh run.sh --fast')
  assert.match(await text('sequence', 'apply', upgrade), /Revision: 2/)
  await writeFile(join(tools, 'more'), 'x')
  assert.match(
    await text('package', 'update', 'ABC00001', tools),
    /Version: 1\nState: +waiting for release \(version 2\)/,
  )
  assert.match(await text('sequence', 'list'), /waiting for release/)
  const deployed = await as(['deploy', 'Upgrade', '--to', 'Pilot'])
  assert.match(deployed.stderr, /waits for release[\s\S]*NOT_RELEASED|NOT_RELEASED[\s\S]*waits for release/)

  const other = join(folder, 'other.yaml')
  await writeFile(other, (await readFile(upgrade, 'utf8')).replace('--fast', '--slow'))
  const notThat = await as(['release', 'sign', `Upgrade=${other}`, ...signing])
  assert.match(notThat.stderr, /is not .*other\.yaml[\s\S]*-.*--slow[\s\S]*\+.*--fast/)
  const copy = join(folder, 'copy')
  await cp(tools, copy, { recursive: true, preserveTimestamps: true })
  await writeFile(join(copy, 'more'), 'y')
  const notThese = await as(['release', 'sign', `ABC00001=${copy}`, ...signing])
  assert.match(notThese.stderr, /differs at or near more/)
  assert.equal((await json<CatalogueInfo>('keys', 'status')).waiting, 2)

  const signed = await as(['release', 'sign', `Upgrade=${upgrade}`, `ABC00001=${tools}`, ...signing])
  assert.equal(signed.code, 0, signed.stderr)
  assert.match(signed.stdout, /Released sequence\/seq_\w+\/2\.\nReleased manifest\/ABC00001\/2\./)
  // What was released before is not any more: nobody can choose the older one.
  assert.deepEqual(await states(), ['manifest/ABC00001/2 released', 'sequence/seq/2 released'])
  assert.match(await text('package', 'show', 'ABC00001'), /Version: 2\nState: +released/)
  assert.match(await text('deploy', 'Upgrade', '--to', 'Pilot'), /Purpose: +available/)
})

test('undeclared variables are refused now', async () => {
  const undeclared = await as(['deploy', 'Upgrade', '--to', 'Pilot', '--input', 'Anything=x'])
  assert.equal(undeclared.code, 1)
  assert.match(undeclared.stderr, /VARIABLE_REFUSED/)
})

test('the next release shows what changed since the last one', async () => {
  await writeSequence('sh run.sh --faster')
  await text('sequence', 'apply', upgrade)
  const asked = await as(['release', 'sign', `Upgrade=${upgrade}`, '--keys', keys, '--passphrase-file', secret], {
    answer: 'yes',
  })
  assert.equal(asked.code, 0, asked.stderr)
  assert.match(asked.stderr, /-.*sh run\.sh --fast"[\s\S]*\+.*sh run\.sh --faster"/)
})

test('every key is rotated from the workstation; releases go on', async () => {
  for (const role of ['timestamp', 'release', 'root', 'policy']) {
    const before = await json<CatalogueInfo>('keys', 'status')
    const after = await json<CatalogueInfo>('keys', 'rotate', role, ...signing)
    const changed = after.keys.filter((key, i) => key.keyid !== before.keys[i]?.keyid).map((key) => key.role)
    assert.deepEqual(changed, [role])
    assert.deepEqual(onSite(after), ['snapshot', 'timestamp', 'policy'])
    assert.ok(!after.keys.some((key) => key.next), role)
  }
  const [one] = (await json<ReleaseEntry[]>('release', 'list')).filter(({ name }) => name.startsWith('manifest/'))
  assert.match(await text('release', 'sign', '--withdraw', one?.name ?? '', ...signing), /Withdrew manifest/)
  assert.deepEqual(await states(), ['sequence/seq/3 released'])
})

test('a workstation that lost its memory, but not its keys, learns it from the site and verifies it', async () => {
  const second = join(folder, 'second')
  await cp(keys, second, { recursive: true })
  await rm(join(second, 'signed', 'bin-0.json'), { force: true })
  await rm(join(second, 'signed', 'targets.json'), { force: true })
  await writeSequence('sh run.sh --last')
  await text('sequence', 'apply', upgrade)
  const args = ['release', 'sign', `Upgrade=${upgrade}`, '--keys', second, '--passphrase-file', secret, '--yes']
  assert.match(await text(...args), /Released sequence\/seq_\w+\/4/)
})
