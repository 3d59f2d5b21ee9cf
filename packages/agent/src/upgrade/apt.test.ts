import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { missing } from '@sluice/content/testing'
import { createRunners } from '../run/runners.ts'
import { identify, sessionMembers } from '../run/session.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { upgradeExit } from './outcome.ts'
import { runOnOwnSystem } from './testing/own-system.ts'
import { buildRepository, buildTinyRelease, installTiny, tinyState } from './testing/tiny-distro.ts'
import { upgradeOperatingSystem } from './upgrade.ts'

const skip = existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg') ? false : 'this system has no apt and dpkg'
const isRoot = process.getuid?.() === 0
const RELEASE_2 = ['tiny-base 2.0 ii', 'tiny-desktop 2.0 ii', 'tiny-network 2.0 ii']

/** Both releases as repositories, release 1 installed in `root`. */
function tinyDevice(t: TestContext) {
  const folder = temporaryFolder(t)
  const [one, two, root] = [join(folder, 'release 1'), join(folder, 'release 2'), join(folder, 'root')]
  buildTinyRelease(1, one)
  buildTinyRelease(2, two)
  installTiny(one, root, isRoot ? [] : ['unshare', '--user', '--map-root-user'])
  const messages: string[] = []
  const percents: number[] = []
  const upgrade = (options: { sourcePath?: string; scanOnly?: boolean; timeoutMs?: number } = {}) =>
    upgradeOperatingSystem(
      {
        kind: 'upgradeOperatingSystem',
        sourcePath: options.sourcePath ?? two,
        driverPath: undefined,
        scanOnly: options.scanOnly ?? false,
        timeoutMs: options.timeoutMs,
      },
      {
        osRoot: root,
        workFolder: join(folder, 'work'),
        logPath: join(folder, 'smsts.log'),
        log: { write: (...entries) => messages.push(...entries.map((entry) => entry.text)) },
        endEverything: async () => {},
        onPercent: (percent) => percents.push(percent),
      },
    )
  return { folder, two, root, upgrade, messages, percents }
}

test('a root is upgraded by the host’s apt, offline, and only what changed is touched', { skip }, async (t) => {
  const { root, upgrade, percents, folder } = tinyDevice(t)
  writeFileSync(join(root, 'etc/tiny.conf'), 'release=1\nmine=yes\n')
  const outcome = await upgrade()
  assert.deepEqual(outcome, { kind: 'exited', exitCode: 0, output: 'Tiny 2 is installed: 5 changes.' })
  const { packages, audit } = tinyState(root)
  assert.deepEqual(packages, RELEASE_2)
  assert.equal(audit, '')
  assert.ok(!existsSync(join(root, 'usr/bin/legacy')))
  assert.equal(readFileSync(join(root, 'etc/tiny.conf'), 'utf8'), 'release=1\nmine=yes\n', 'the changed one is kept')
  assert.equal(readFileSync(join(root, 'etc/other.conf'), 'utf8'), 'release=2\n', 'the untouched one is new')
  assert.equal(percents.at(-1), 100)
  assert.ok(percents.some((percent) => percent > 0 && percent < 100))
  assert.match(readFileSync(join(folder, 'os-upgrade.log'), 'utf8'), /Setting up tiny-desktop/)
})

test('doing it again changes nothing and is no failure', { skip }, async (t) => {
  const { root, upgrade } = tinyDevice(t)
  await upgrade()
  const log = readFileSync(join(root, 'var/log/tiny.log'), 'utf8')
  const again = await upgrade()
  assert.ok(again.kind === 'exited')
  assert.equal(again.exitCode, 0)
  assert.equal(readFileSync(join(root, 'var/log/tiny.log'), 'utf8'), log)
})

test('a scan says what would happen and changes nothing', { skip }, async (t) => {
  const { root, upgrade } = tinyDevice(t)
  const before = tinyState(root)
  const outcome = await upgrade({ scanOnly: true })
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, 0)
  assert.match(outcome.output, /5 changes\.\n(Inst|Remv) tiny/)
  assert.deepEqual(tinyState(root), before)
})

test('a repository that lists what it lacks is refused, although apt would end with 0', { skip }, async (t) => {
  const { two, root, upgrade } = tinyDevice(t)
  writeFileSync(
    join(two, 'Release'),
    `Date: ${new Date().toUTCString()}\nSHA256:\n ${'0'.repeat(64)} 1 Packages\n ${'1'.repeat(64)} 5 Packages.gz\n`,
  )
  const outcome = await upgrade()
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, upgradeExit.packageUnusable)
  assert.match(outcome.output, /Log: .*os-upgrade\.log$/)
  assert.ok(tinyState(root).packages.includes('tiny-base 1.0 ii'))
})

test('a package that does not bring a new release is no upgrade', { skip }, async (t) => {
  const { folder, root, upgrade } = tinyDevice(t)
  const sourcePath = join(folder, 'other')
  buildRepository(sourcePath, [{ name: 'tiny-game', version: '1', files: { 'usr/bin/game': 'game\n' } }])
  const outcome = await upgrade({ sourcePath })
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, upgradeExit.notApplicable)
  assert.ok(!existsSync(join(root, 'usr/bin/game')))
})

test('a script that fails is a failure of the step; when it is mended, the next try completes it', {
  skip,
}, async (t) => {
  const { root, upgrade } = tinyDevice(t)
  writeFileSync(join(root, 'fail-desktop-2'), '')
  const failed = await upgrade()
  assert.ok(failed.kind === 'exited')
  assert.equal(failed.exitCode, upgradeExit.installerFailed)
  assert.notEqual(tinyState(root).audit, '')
  rmSync(join(root, 'fail-desktop-2'))
  const mended = await upgrade()
  assert.ok(mended.kind === 'exited')
  assert.equal(mended.exitCode, 0, mended.output)
  assert.deepEqual(tinyState(root), { packages: RELEASE_2, audit: '' })
})

test('cut off at any moment, the next try completes the upgrade', { skip, timeout: 120_000 }, async (t) => {
  const { folder, two, root } = tinyDevice(t)
  const never = new AbortController().signal
  const attempts = join(folder, 'attempts')
  const pristine = join(folder, 'pristine')
  mkdirSync(attempts)
  cpSync(root, pristine, { recursive: true, verbatimSymlinks: true })
  const progress = () => readFileSync(join(root, 'var/log/dpkg.log'), 'utf8').split('\n').length
  const atStart = progress()
  for (const [n, changes] of [3, 12, 22].entries()) {
    rmSync(root, { recursive: true })
    cpSync(pristine, root, { recursive: true, verbatimSymlinks: true })
    const spec = {
      v: 1 as const,
      action: {
        kind: 'upgradeOperatingSystem' as const,
        sourcePath: two,
        driverPath: undefined,
        scanOnly: false,
        timeoutMs: undefined,
      },
      osRoot: root,
      logPath: join(folder, 'smsts.log'),
      workFolder: join(folder, `work-${n}`),
      environment: {},
      masked: [],
    }
    mkdirSync(spec.workFolder)
    const runners = createRunners({ folder: attempts, bootId: 'boot', pollMs: 20, orphanMs: 0 })
    runners.start(`cut-${n}`, spec)
    while (progress() < atStart + changes) await delay(1)
    for (const pid of sessionOf(join(attempts, `cut-${n}.attempt`))) kill(pid)
    await runners.outcome(`cut-${n}`, never)
    runners.start(`again-${n}`, spec)
    const outcome = await runners.outcome(`again-${n}`, never)
    assert.ok(outcome.kind === 'exited')
    assert.equal(outcome.exitCode, 0, outcome.output)
    assert.deepEqual(tinyState(root), { packages: RELEASE_2, audit: '' })
  }
})

test('an ordinary user upgrades a root of its own, in a user namespace', { skip }, async (t) => {
  const asUser = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env']
  const [program, ...words] = asUser as [string, ...string[]]
  if (spawnSync(program, [...words, 'unshare', '--user', '--map-root-user', 'true']).status !== 0)
    return missing(t, 'this system gives an ordinary user no user namespace')
  const folder = temporaryFolder(t)
  if (isRoot) chownSync(folder, 65534, 65534)
  const script = fileURLToPath(new URL('./testing/upgrade-tiny.ts', import.meta.url))
  const child = spawn(program, [...words, process.execPath, script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = await Promise.all([readAll(child.stdout), once(child, 'exit')])
  const { uid, outcome, state } = JSON.parse(text)
  assert.notEqual(uid, 0)
  assert.deepEqual(outcome, { kind: 'exited', exitCode: 0, output: 'Tiny 2 is installed: 5 changes.' })
  assert.deepEqual(state, { packages: RELEASE_2, audit: '' })
})

test('a root with its own apt is entered, and nothing of the visit stays', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  const seen = await runOnOwnSystem(folder, 'upgrade-own-system.ts')
  if (seen === undefined) return missing(t, 'this system lays no overlay over its root')
  const { outcome, release, policy, network, sources } = seen
  assert.equal(outcome.exitCode, 0, outcome.output)
  assert.match(release, /Own System 99/)
  assert.equal(policy, 'absent')
  assert.equal(network, 'lo', 'the maintainer script saw no other network interface')
  assert.equal(sources, 'as before')
})

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const piece of stream) text += piece
  return text
}

/** A runner that works on an attempt and everything in its session. */
function sessionOf(attemptPath: string): number[] {
  const runner = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((pid) => commandLine(pid).includes(attemptPath))
  const leader = identify(Number(runner ?? 0))
  return leader === undefined ? [] : [leader.pid, ...sessionMembers(leader)]
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended meanwhile.
  }
}
