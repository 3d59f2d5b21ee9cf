import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Action } from '@sluice/engine'
import { type AttemptSpec, createAttempt, fenceAttempt, observeAttempt } from './attempt.ts'
import { createRunners } from './runners.ts'
import { identify, sessionMembers } from './session.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-attempt-'))
after(() => rmSync(folder, { recursive: true }))
const RUNNER = fileURLToPath(new URL('../../bin/sluice-runner.ts', import.meta.url))
const BOOT = 'boot-1'
const KILLS = process.env.SLUICE_SOAK === '1' ? 400 : 50
const never = new AbortController().signal

const logPath = join(folder, 'smsts.log')
const spec = (action: Partial<Extract<Action, { kind: 'command' }>> & { argv: string[] }): AttemptSpec => ({
  v: 1,
  action: { kind: 'command', workingDirectory: undefined, timeoutMs: undefined, hidden: false, ...action },
  osRoot: '/',
  logPath,
  workFolder: folder,
  environment: { SLUICE_TEST: 'declared' },
  masked: ['hunter22'],
})
const shell = (script: string) => spec({ argv: ['/bin/sh', '-c', script] })
/** A new agent process: it knows nothing but the folder. */
const agent = (bootId = BOOT) => createRunners({ folder, bootId, pollMs: 20, orphanMs: 200 })
const pathOf = (attempt: string) => join(folder, `${attempt}.attempt`)
const until = async (condition: () => boolean) => {
  while (!condition()) await delay(5)
}
const lines = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [])

test('a command ends with its exit code and the end of its output', async () => {
  const runners = agent()
  runners.start('ok', shell('echo first; echo oops >&2; echo hunter22; printf %01200d 7; exit 5'))
  const outcome = await runners.outcome('ok', never)
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, 5)
  assert.equal(outcome.output, `${'0'.repeat(999)}7`)
  const log = readFileSync(logPath, 'utf8')
  assert.match(log, /<!\[LOG\[oops\]LOG\]!><time="\d\d:\d\d:\d\d\.\d{3}[+-]\d{2,3}" date="\d\d-\d\d-\d{4}"/)
  assert.ok(!log.includes('hunter22'), 'masked in the log')
})

test('a command gets a clean environment, its folder, and no shell', async () => {
  const runners = agent()
  process.env.SLUICE_STRAY = 'from the agent'
  runners.start('env', spec({ argv: ['/usr/bin/env'] }))
  runners.start(
    'pwd',
    spec({ argv: ['/bin/sh', '-c', 'pwd; echo "$0" "$1"', '$HOME', 'a b'], workingDirectory: folder }),
  )
  const environment = await runners.outcome('env', never)
  assert.ok(environment.kind === 'exited')
  assert.match(environment.output, /^SLUICE_TEST=declared$/m)
  assert.match(environment.output, /^PATH=\/usr\/local\/sbin:/m)
  assert.doesNotMatch(environment.output, /SLUICE_STRAY|NODE_/)
  const where = await runners.outcome('pwd', never)
  assert.ok(where.kind === 'exited')
  assert.equal(where.output, `${folder}\n$HOME a b\n`)
})

test('a program that is not there is an outcome, and says why', async () => {
  const runners = agent()
  runners.start('missing', spec({ argv: ['no-such-program'] }))
  runners.start('no-folder', spec({ argv: ['true'], workingDirectory: join(folder, 'nowhere') }))
  const missing = await runners.outcome('missing', never)
  assert.ok(missing.kind === 'couldNotStart')
  assert.match(missing.detail, /no-such-program.*ENOENT/)
  const noFolder = await runners.outcome('no-folder', never)
  assert.ok(noFolder.kind === 'couldNotStart')
  assert.match(noFolder.detail, /nowhere/)
})

test('a time-out ends everything that the step started', async () => {
  const runners = agent()
  const pids = join(folder, 'pids')
  const script = `echo $$ >> ${pids}; (trap '' TERM; echo ready; sleep 60) & setsid true; sh -c 'echo $$ >> ${pids}; sleep 60'`
  runners.start('slow', spec({ argv: ['/bin/sh', '-c', script], timeoutMs: 2_000 }))
  assert.deepEqual(await runners.outcome('slow', never), { kind: 'timedOut' })
  assert.ok(lines(pids).length >= 2)
  for (const pid of lines(pids)) assert.equal(identify(Number(pid)), undefined)
})

test('a step that prints without end fills neither disk nor log', async () => {
  const runners = agent()
  runners.start('chatty', spec({ argv: ['/bin/sh', '-c', 'timeout 0.5 yes hello; sleep 0.8; echo end'] }))
  const outcome = await runners.outcome('chatty', never)
  assert.ok(outcome.kind === 'exited')
  assert.match(outcome.output, /^hello\nhello\n(?:.|\n)*end\n$/m)
  assert.match(readFileSync(logPath, 'utf8'), /prints more than the log takes/)
  assert.ok(!existsSync(`${pathOf('chatty')}.out`))
})

test('an agent that is gone loses nothing: the next one finds the outcome, or waits for it', async () => {
  const marker = join(folder, 'go-on')
  agent().start('survives', shell(`until [ -e ${marker} ]; do sleep 0.02; done; echo done`))
  await until(() => observeAttempt(pathOf('survives')).kind === 'alive')
  const waiting = agent().outcome('survives', never)
  writeFileSync(marker, '')
  assert.deepEqual(await waiting, { kind: 'exited', exitCode: 0, output: 'done\n' })
  assert.deepEqual(await agent('boot-2').outcome('survives', never), { kind: 'exited', exitCode: 0, output: 'done\n' })
})

test('an agent that was killed between intent and start starts the runner late', async () => {
  createAttempt(pathOf('intent'), shell('echo late'))
  assert.deepEqual(await agent().outcome('intent', never), { kind: 'exited', exitCode: 0, output: 'late\n' })
})

test('an attempt without a file never began', async () => {
  assert.deepEqual(await agent().outcome('nothing', never), { kind: 'notStarted' })
})

test('a fenced attempt is left alone by a late runner', async () => {
  const effect = join(folder, 'fenced-effect')
  createAttempt(pathOf('fenced'), shell(`echo x >> ${effect}`))
  assert.deepEqual(fenceAttempt(pathOf('fenced'), { kind: 'notStarted' }), { kind: 'notStarted' })
  await once(spawn(process.execPath, [RUNNER, pathOf('fenced'), BOOT], { detached: true, stdio: 'ignore' }), 'exit')
  assert.ok(!existsSync(effect))
  assert.deepEqual(await agent().outcome('fenced', never), { kind: 'notStarted' })
})

test('a killed runner is an unknown outcome, but only when nothing of its step lives', async () => {
  const pidFile = join(folder, 'orphan')
  const runners = agent()
  runners.start('orphan', shell(`echo $$ > ${pidFile}; exec sleep 60`))
  await until(() => lines(pidFile).length === 1)
  const orphan = identify(Number(lines(pidFile)[0]))
  const leader = identify(orphan?.session ?? 0)
  assert.ok(orphan !== undefined && leader !== undefined)
  process.kill(leader.pid, 'SIGKILL')
  await until(() => observeAttempt(pathOf('orphan')).kind === 'abandoned')
  assert.deepEqual(sessionMembers(leader), [orphan.pid])
  assert.deepEqual(await runners.outcome('orphan', never), { kind: 'unknown' })
  assert.deepEqual(sessionMembers(leader), [])
  // In a later boot nothing is asked of the processes.
  assert.deepEqual(await agent('boot-2').outcome('orphan', never), { kind: 'unknown' })
})

test(`${KILLS} random kills of agent and runner: no step twice, no outcome lost`, {
  timeout: KILLS * 3_000,
}, async () => {
  const random = seeded(20_261_120)
  const round = async (n: number) => {
    const effect = join(folder, `effect-${n}`)
    const name = `kill-${n}`
    const attempt = shell(`echo x >> ${effect}; sleep 0.03`)
    agent().start(name, attempt)
    const killRunner = random() < 0.5
    await delay(random() * 150)
    // From here on only new agents look: the first one is as good as killed.
    if (killRunner) killClaimant(name)
    const [one, two] = await Promise.all([agent().outcome(name, never), agent().outcome(name, never)])
    assert.deepEqual(one, two)
    const effects = lines(effect).length
    if (one.kind === 'exited') assert.equal(effects, 1)
    else assert.ok(one.kind === 'unknown' && effects <= 1, `${one.kind} with ${effects} effects`)
    if (!killRunner) assert.equal(one.kind, 'exited')
    return one.kind
  }
  const kinds: string[] = []
  const rounds = Array.from({ length: KILLS }, (_, n) => n)
  const worker = async () => {
    for (let n = rounds.shift(); n !== undefined; n = rounds.shift()) kinds.push(await round(n))
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  assert.equal(kinds.length, KILLS)
})

/** Kills the runner of an attempt, wherever it is at the moment, by its command line. */
function killClaimant(name: string): void {
  for (const pid of runnersOf(name)) process.kill(pid, 'SIGKILL')
}

function runnersOf(name: string): number[] {
  const found: number[] = []
  for (const pid of pids()) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(pathOf(name))) found.push(pid)
    } catch {
      // It ended meanwhile.
    }
  }
  return found
}

const pids = () =>
  readdirSync('/proc')
    .filter((n) => /^\d+$/.test(n))
    .map(Number)

/** mulberry32: the same numbers on every machine. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
