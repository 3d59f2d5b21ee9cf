import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { stageDrivers } from './drivers.ts'
import { upgradeExit } from './outcome.ts'
import { resolveInRoot } from './root-path.ts'
import { upgradeOperatingSystem } from './upgrade.ts'

function write(folder: string, files: Record<string, string | object>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content))
  }
}
const release = (n: number) => `PRETTY_NAME="Demo ${n}"\nID=demo\nVERSION_ID="${n}"\n`
const manifest = {
  format: 'sluice-files-upgrade/1',
  from: [{ id: 'demo', version: '1' }],
  to: { id: 'demo', version: '2' },
  remove: ['usr/bin/legacy'],
  keep: ['etc/demo.conf'],
}

function device(t: TestContext, changes: object = {}) {
  const folder = temporaryFolder(t)
  const [root, sourcePath] = [join(folder, 'root'), join(folder, 'package')]
  write(root, {
    'usr/lib/os-release': release(1),
    'etc/demo.conf': 'mine\n',
    'usr/bin/tool': 'tool 1\n',
    'usr/bin/legacy': 'old\n',
  })
  symlinkSync('usr/bin', join(root, 'bin'))
  write(sourcePath, {
    'upgrade.json': { ...manifest, ...changes },
    'tree/usr/lib/os-release': release(2),
    'tree/etc/demo.conf': 'default\n',
    'tree/bin/tool': 'tool 2\n',
    'tree/bin/new': 'new\n',
  })
  symlinkSync('tool', join(sourcePath, 'tree/bin/alias'))
  chmodSync(join(sourcePath, 'tree/bin/tool'), 0o555)
  const upgrade = (scanOnly = false) =>
    upgradeOperatingSystem(
      { kind: 'upgradeOperatingSystem', sourcePath, driverPath: undefined, scanOnly, timeoutMs: undefined },
      {
        osRoot: root,
        workFolder: join(folder, 'work'),
        logPath: join(folder, 'smsts.log'),
        log: { write: () => {} },
        endEverything: async () => {},
        onPercent: () => {},
      },
    )
  const read = (path: string) => readFileSync(join(root, path), 'utf8')
  return { root, sourcePath, upgrade, read }
}

test('files are replaced, added and removed, settings stay, the release comes last', async (t) => {
  const { root, upgrade, read } = device(t)
  const outcome = await upgrade()
  assert.deepEqual(outcome, { kind: 'exited', exitCode: 0, output: 'Demo 2: 4 of 5 files put in place, 1 removed.' })
  assert.equal(read('usr/bin/tool'), 'tool 2\n')
  assert.equal(lstatSync(join(root, 'usr/bin/tool')).mode & 0o777, 0o755)
  assert.equal(read('usr/bin/alias'), 'tool 2\n')
  assert.equal(read('etc/demo.conf'), 'mine\n')
  assert.equal(read('usr/lib/os-release'), release(2))
  assert.ok(lstatSync(join(root, 'bin')).isSymbolicLink(), 'a folder that is a symlink stays one')
  assert.ok(!existsSync(join(root, 'usr/bin/legacy')))
  assert.deepEqual(readdirSync(join(root, 'usr/bin')).sort(), ['alias', 'new', 'tool'])
  const again = await upgrade()
  assert.ok(again.kind === 'exited')
  assert.match(again.output, /0 of 5 files put in place, 0 removed/)
})

test('a scan changes nothing; another release is refused', async (t) => {
  const { upgrade, read } = device(t)
  assert.deepEqual(await upgrade(true), {
    kind: 'exited',
    exitCode: 0,
    output: '5 files would be put in place, 1 removed.',
  })
  assert.equal(read('usr/lib/os-release'), release(1))
  const other = await device(t, { from: [{ id: 'demo', version: '7' }] }).upgrade()
  assert.ok(other.kind === 'exited')
  assert.equal(other.exitCode, upgradeExit.notApplicable)
})

test('a manifest that is not right is refused with the place of the fault', async (t) => {
  const outcome = await device(t, { remove: ['../outside'] }).upgrade()
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, upgradeExit.packageUnusable)
  assert.match(outcome.output, /remove\.0: a relative path/)
})

test('a tree without the new release is not taken for an upgrade', async (t) => {
  const outcome = await device(t, { to: { id: 'demo', version: '3' } }).upgrade()
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, upgradeExit.notUpgraded)
})

test('no symlink of the root leads out of it', (t) => {
  const root = temporaryFolder(t)
  write(root, { 'real/file': '' })
  symlinkSync('/real', join(root, 'absolute'))
  symlinkSync('../../../../etc', join(root, 'escape'))
  symlinkSync('loop', join(root, 'loop'))
  assert.equal(resolveInRoot(root, '/absolute/file'), join(root, 'real/file'))
  assert.equal(resolveInRoot(root, 'escape/passwd'), join(root, 'etc/passwd'))
  assert.equal(resolveInRoot(root, '../../etc/passwd'), join(root, 'etc/passwd'))
  assert.throws(() => resolveInRoot(root, 'loop/file'), /too many symlinks/)
})

test('driver content is put where the kernel looks for firmware', async (t) => {
  const folder = temporaryFolder(t)
  write(folder, { 'drivers/network/card.bin': 'bytes', 'root/usr/lib/x': '' })
  symlinkSync('usr/lib', join(folder, 'root/lib'))
  assert.equal(await stageDrivers(join(folder, 'drivers'), join(folder, 'root')), 1)
  assert.equal(readFileSync(join(folder, 'root/usr/lib/firmware/updates/network/card.bin'), 'utf8'), 'bytes')
  assert.equal(await stageDrivers(join(folder, 'drivers'), join(folder, 'root')), 0)
})
