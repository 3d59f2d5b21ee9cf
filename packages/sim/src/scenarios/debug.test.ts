/** An administrator debugs a run from afar with the real command line: through site, link, gateway and agent. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DebugSession } from '@sluice/protocol'
import { must } from '../administrator.ts'
import { killAgent } from '../device/processes.ts'
import { until } from '../until.ts'
import { effectStep, startWorld } from './world.ts'

const SLUICE = fileURLToPath(new URL('../../../cli/bin/sluice.ts', import.meta.url))

test('step, set, jump, break and run over a kill of the agent, with a polling interval of an hour', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: [
      effectStep('one'),
      '\n  - type: setVariable\n    name: hide\n    variable: Pin\n    value: p1n-canary\n    hidden: true',
      '\n  - type: runCommandLine\n    name: say\n    class: once\n    commandLine: sh -c \'echo "$2" >> "$1/effects"\' sh "%OSRoot%" "%Word%"',
      effectStep('skipped'),
      effectStep('last'),
    ].join(''),
    packages: 0,
    packageBytes: 0,
    bytesPerSecond: 1024 * 1024,
    settings: { inputs: { TSDebugMode: 'TRUE' } },
  })
  const { line, device } = world
  const connection = line.connectionFile
  const sluice = async (...words: string[]) => {
    const args = [SLUICE, '--connection', connection, '--json', 'debug', 'scenario', ...words]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    return DebugSession.parse(JSON.parse(stdout))
  }
  const refused = (why: RegExp, ...words: string[]) =>
    assert.rejects(sluice(...words), ({ stdout, stderr }) => {
      assert.match(`${stdout}${stderr}`, why)
      return true
    })
  /** What is seen at a terminal where this is typed. */
  const terminal = async (typed: string) => {
    const words = [process.execPath, SLUICE, '--connection', connection, 'debug', 'scenario']
    const child = spawn('script', ['-qec', words.map((word) => `'${word}'`).join(' '), '/dev/null'])
    child.stdin.write(typed)
    return text(child.stdout)
  }

  await world.install()
  await until(async () => {
    const session = await line.admin.call('debugSession', { id: device.id })
    return session.ok && session.value.state?.mode === 'waiting'
  }, 'the run to stand still at its start')
  assert.deepEqual(await world.effects(), [])
  const stepped = await sluice('step')
  assert.deepEqual([stepped.state?.why, stepped.state?.problem, stepped.state?.pointer], ['stepped', undefined, 1])
  assert.deepEqual(await world.effects(), ['one'])
  await sluice('step')
  const set = await sluice('set', 'Word', 'hello')
  assert.equal(set.state?.variables.find(({ name }) => name === 'Word')?.value, 'hello')
  await refused(/_SMSTSPackageID/, 'set', '_SMSTSPackageID', 'x')
  await refused(/Pin.*hidden|hidden.*Pin/, 'set', 'Pin', 'x')
  await refused(/Which variable/, 'set')
  await refused(/no order fly/, 'fly')
  await refused(/There is no step nowhere/, 'current', 'nowhere')
  await refused(/99/, 'current', '99')
  await sluice('break', 'skipped')

  const seen = await terminal('vars word\nfly\nbreak\nvars pin\nleave\n')
  for (const what of [
    /Word = hello/,
    /There is no order fly/,
    /There is no step/,
    /Pin = \*{8}/,
    /State:\s+stands still/,
  ])
    assert.match(seen, what)

  assert.equal(await killAgent(join(world.folder, 'device/agent.json')), 1, 'the agent was killed')
  assert.deepEqual((await sluice('show')).state?.breaks, [3], 'breakpoints outlive the agent')
  await sluice('run')
  await until(async () => (await sluice('show')).state?.why === 'breakpoint', 'the breakpoint')
  const { state } = await sluice('log')
  assert.match(state?.log ?? '', /Waiting for the debugger/)
  assert.doesNotMatch(JSON.stringify(state), /p1n-canary/)
  await sluice('current', 'last')
  await sluice('quit').catch(() => {}) // The run may have ended before it is asked for.
  assert.equal((await world.finished()).result, 'success')
  assert.deepEqual(await world.effects(), ['one', 'hello', 'last'])

  const { lines } = must(await line.admin.call('audit'))
  const ordered = JSON.stringify(lines)
  for (const kind of ['setVariable', 'setCurrent', 'setBreak', 'quit']) assert.ok(ordered.includes(kind), kind)
  const told = JSON.stringify(must(await line.admin.call('status')))
  assert.ok(told.includes('debugState') && !told.includes('hello'), 'variables are for who may debug')
})
