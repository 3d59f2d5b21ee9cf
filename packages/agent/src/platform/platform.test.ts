import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DeviceFacts } from '@sluice/protocol'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { parseOsRelease } from './os-release.ts'
import type { PlatformOptions } from './platform.ts'
import { createPortablePlatform } from './portable.ts'
import { createPlatform } from './registry.ts'

function optionsOf(t: TestContext, more: Partial<PlatformOptions> = {}): PlatformOptions {
  const stateFolder = temporaryFolder(t)
  const osRoot = temporaryFolder(t)
  mkdirSync(join(osRoot, 'etc'))
  writeFileSync(join(osRoot, 'etc/os-release'), 'ID=minios\nPRETTY_NAME="MiniOS 1 (alpha)"\nVERSION_ID="1"\n')
  return { stateFolder, osRoot, facts: {}, restart: { kind: 'exit', code: 75 }, exit: () => {}, ...more }
}

const noOsRelease = process.platform === 'win32' ? 'Windows says itself what it is' : false

test('facts have the form that the site takes, and told ones win', async (t) => {
  const options = optionsOf(t, { facts: { manufacturer: 'Contoso', model: 'Model 2' } })
  writeFileSync(join(options.osRoot, 'etc/locale.conf'), 'LANG=sv_SE.UTF-8\n')
  const facts = await (await createPlatform(options)).facts()
  assert.ok(DeviceFacts.safeParse(facts).success)
  assert.equal(facts.manufacturer, 'Contoso')
  assert.equal(facts.model, 'Model 2')
  assert.deepEqual(facts.os, { id: 'minios', name: 'MiniOS 1 (alpha)', version: '1' })
  assert.ok(facts.memoryBytes > 0 && facts.freeDiskBytes > 0)
  if (process.platform === 'linux') assert.equal(facts.language, 'sv-SE')
})

test('the name of the operating system is read anew: an upgrade changes it', { skip: noOsRelease }, async (t) => {
  const options = optionsOf(t)
  const platform = await createPlatform(options)
  assert.equal(await platform.osName(), 'MiniOS 1 (alpha)')
  writeFileSync(join(options.osRoot, 'etc/os-release'), 'NAME=MiniOS\nVERSION="2 (beta)"\n')
  assert.equal(await platform.osName(), 'MiniOS 2 (beta)')
})

test('an absolute link in the root leads to the root and not to this machine', { skip: noOsRelease }, async (t) => {
  const options = optionsOf(t)
  mkdirSync(join(options.osRoot, 'usr/lib'), { recursive: true })
  writeFileSync(join(options.osRoot, 'usr/lib/os-release'), 'PRETTY_NAME=Linked\n')
  const linked = join(temporaryFolder(t))
  mkdirSync(join(linked, 'etc'))
  mkdirSync(join(linked, 'opt'))
  writeFileSync(join(linked, 'opt/os-release'), 'PRETTY_NAME="Inside"\n')
  symlinkSync('/opt/os-release', join(linked, 'etc/os-release'))
  assert.equal(await (await createPlatform({ ...options, osRoot: linked })).osName(), 'Inside')
})

test('a root without os-release has no known system', { skip: noOsRelease }, async (t) => {
  const platform = await createPlatform({ ...optionsOf(t), osRoot: temporaryFolder(t) })
  assert.equal(await platform.osName(), 'Unknown operating system')
})

test('os-release: quotes, comments and escapes', () => {
  assert.deepEqual(
    parseOsRelease(
      '# x\nNAME=\'One\'\nVERSION="2 \\"two\\" \\$3"\nID=one\nVERSION_ID=2\nVERSION_CODENAME=duo\nODD LINE\n',
    ),
    { id: 'one', name: 'One 2 "two" $3', version: '2', codename: 'duo' },
  )
})

test('the boot id is the same for every process of a boot', async (t) => {
  const first = await createPlatform(optionsOf(t))
  const second = await createPlatform(optionsOf(t))
  if (process.platform === 'linux') assert.equal(second.bootId, first.bootId)
  assert.match(first.bootId, /^[0-9a-f-]{36}/)
})

test('without help of the system, a lower uptime means another boot', async (t) => {
  const options = optionsOf(t)
  const bootAt = async (uptime: number) => (await createPortablePlatform(options, () => uptime)).bootId
  const first = await bootAt(100)
  assert.equal(await bootAt(200), first)
  const second = await bootAt(30)
  assert.notEqual(second, first)
  assert.equal(await bootAt(31), second)
})

test('a restart by exit code ends the agent; one by command runs it', async (t) => {
  const codes: number[] = []
  const byExit = await createPlatform(optionsOf(t, { exit: (code) => codes.push(code) }))
  assert.deepEqual(await byExit.restart(), { ok: true, value: undefined })
  assert.deepEqual(codes, [75])

  const byCommand = async (...argv: string[]) =>
    (await createPlatform(optionsOf(t, { restart: { kind: 'command', argv } }))).restart()
  assert.equal((await byCommand(process.execPath, '--eval', 'process.exit(0)')).ok, true)
  for (const argv of [[process.execPath, '--eval', 'process.exit(3)'], ['/no/such/program']]) {
    const refused = await byCommand(...argv)
    assert.ok(!refused.ok)
    assert.equal(refused.problem.code, 'RESTART_REFUSED')
  }
})

test('where a file names the boot, its text counts', async (t) => {
  const bootFile = join(temporaryFolder(t), 'boot')
  const bootNow = async () => (await createPlatform(optionsOf(t, { bootFile }))).bootId
  writeFileSync(bootFile, 'boot-1\n')
  assert.equal(await bootNow(), 'boot-1')
  writeFileSync(bootFile, 'boot-2\n')
  assert.equal(await bootNow(), 'boot-2')
  const { bootId } = await createPortablePlatform(optionsOf(t, { bootFile }))
  assert.equal(bootId, 'boot-2')
  writeFileSync(bootFile, '')
  await assert.rejects(bootNow(), /does not name a boot/)
})
