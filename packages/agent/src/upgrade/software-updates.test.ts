/**
 * apt is the real one, on repositories of its own. For the tools of systems that are not here scripts stand, which
 * write down what they were told.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { missing } from '@sluice/content/testing'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { updateScript, wantsRestart } from './software-updates.ts'
import { runOnOwnSystem } from './testing/own-system.ts'

/** @param cases shell: what the tool does for its words, which it has written down */
function system(t: TestContext, tool: string, cases: string) {
  const root = mkdtempSync(join(tmpdir(), 'sluice-updates-'))
  t.after(() => rmSync(root, { recursive: true }))
  const programs = join(root, 'usr/bin')
  mkdirSync(programs, { recursive: true })
  const asked = join(root, 'asked')
  writeFileSync(join(programs, tool), `#!/bin/sh\necho "$*" >> ${asked}\n${cases}\n`, { mode: 0o755 })
  return (target: 'all' | 'mandatory') => {
    writeFileSync(asked, '')
    const script = updateScript(root, target) ?? ''
    const { status } = spawnSync('/bin/sh', ['-c', script], { env: { PATH: `${programs}:/usr/bin:/bin` } })
    return { status, asked: readFileSync(asked, 'utf8').trim().split('\n') }
  }
}

const isDebian = existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg')

test('apt installs what its repositories offer, or what is for security, once; failures keep their code', {
  skip: isDebian ? false : 'this system has no apt and dpkg',
}, async (t) => {
  const seen = await runOnOwnSystem(temporaryFolder(t), 'update-own-system.ts')
  if (seen === undefined) return missing(t, 'this system lays no overlay over its root')
  assert.deepEqual(seen, {
    nothing: { exitCode: 0, versions: '1 1' },
    security: { exitCode: 0, versions: '1 2' },
    all: { exitCode: 0, versions: '2 2' },
    again: { exitCode: 0, versions: '2 2' },
    restart: { exitCode: 3010, versions: '3 2' },
    failing: { exitCode: 100, versions: '4 2' },
    broken: { exitCode: 100, versions: '4 2' },
  })
})

test('dnf updates all or what is for security, and its plug-in asks for the restart', (t) => {
  const update = system(t, 'dnf', 'case "$*" in "needs-restarting -r") exit 1;; esac')
  assert.deepEqual(update('all'), {
    status: 102,
    asked: ['-y --refresh upgrade', 'needs-restarting --help', 'needs-restarting -r'],
  })
  assert.equal(update('mandatory').asked[0], '-y --refresh upgrade --security')
})

test('dnf without the plug-in, or with nothing to restart for, asks for none; a failure stays one', (t) => {
  const without = system(t, 'dnf', 'case "$*" in needs-restarting*) exit 1;; esac')
  assert.deepEqual(without('all'), { status: 0, asked: ['-y --refresh upgrade', 'needs-restarting --help'] })
  assert.equal(system(t, 'dnf', 'exit 0')('all').status, 0)
  assert.deepEqual(system(t, 'dnf', 'exit 1')('mandatory'), { status: 1, asked: ['-y --refresh upgrade --security'] })
})

test('zypper patches; it goes first itself where it has to', (t) => {
  const update = system(
    t,
    'zypper',
    `case "$*" in *patch*) [ -e "$0.new" ] || { : > "$0.new"; exit 103; };; needs-rebooting) exit 102;; esac`,
  )
  const patch = '--non-interactive patch --category security'
  assert.deepEqual(update('mandatory'), {
    status: 102,
    asked: ['--non-interactive refresh', patch, patch, 'needs-rebooting'],
  })
  assert.deepEqual(system(t, 'zypper', 'exit 0')('all'), {
    status: 0,
    asked: ['--non-interactive refresh', '--non-interactive update', 'needs-rebooting'],
  })
})

test('zypper: what only tells is no failure, what failed is', (t) => {
  assert.equal(system(t, 'zypper', 'case "$*" in *update) exit 100;; esac')('all').status, 0)
  assert.equal(system(t, 'zypper', 'case "$*" in *update) exit 102;; esac')('all').status, 102)
  assert.equal(system(t, 'zypper', 'case "$*" in *update) exit 8;; esac')('all').status, 8)
  assert.equal(system(t, 'zypper', 'case "$*" in *refresh) exit 4;; esac')('all').status, 4)
})

test('a system without any of the tools is not guessed at', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-updates-'))
  t.after(() => rmSync(root, { recursive: true }))
  assert.equal(updateScript(root, 'all'), undefined)
})

test('in another root absolute links begin at its root: neither marks nor tools of the host count', (t) => {
  const host = temporaryFolder(t)
  writeFileSync(join(host, 'reboot-required'), '')
  writeFileSync(join(host, 'dnf-3'), '')
  const root = join(host, 'root')
  for (const folder of ['var', 'usr/bin']) mkdirSync(join(root, folder), { recursive: true })
  symlinkSync(host, join(root, 'var/run'))
  symlinkSync(join(host, 'dnf-3'), join(root, 'usr/bin/dnf'))
  assert.ok(existsSync(join(root, 'var/run/reboot-required')), 'the kernel finds what the host has')
  assert.equal(wantsRestart(root), false)
  assert.equal(updateScript(root, 'all'), undefined)
  mkdirSync(join(root, host), { recursive: true })
  writeFileSync(join(root, host, 'reboot-required'), '')
  writeFileSync(join(root, host, 'dnf-3'), '')
  assert.equal(wantsRestart(root), true)
  assert.match(updateScript(root, 'all') ?? '', /dnf/)
  symlinkSync('run', join(root, 'run'))
  assert.equal(wantsRestart(root), true, 'links in a circle are no mark, and hinder no other')
})
