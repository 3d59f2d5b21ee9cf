import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { seededBytes } from '@sluice/content/testing'
import type { PackageId, StatusEvent } from '@sluice/protocol'
import type { TestFile } from '../download/testing/test-contents.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { until } from '../testing/until.ts'
import { type RunLine, startRunLine } from './testing/run-line.ts'
import { traceCommand } from './trace-command.ts'

const MiB = 1024 * 1024
const A = 'ABC00001' as PackageId
const B = 'ABC00002' as PackageId
const packages: Record<string, Record<string, TestFile>> = {
  ABC00001: { 'data.bin': seededBytes('a', 8 * MiB), 'tool.sh': `cat data.bin | wc -c\n` },
  ABC00002: { 'never.bin': seededBytes('b', 2 * MiB) },
}
const events = (line: RunLine) => line.site.messages.map(({ event }) => event)
const ofKind = <K extends StatusEvent['kind']>(line: RunLine, kind: K) =>
  events(line).filter((event): event is Extract<StatusEvent, { kind: K }> => event.kind === kind)

test('a run: only what its path needs is fetched, the machine restarts, and the report says it all', async (t) => {
  const line = await startRunLine(t, packages, (effect) => [
    { type: 'setVariable', name: 'Secret', variable: 'Password', value: 'hunter22', hidden: true },
    { type: 'runCommandLine', name: 'First', commandLine: effect('first') },
    {
      type: 'group',
      name: 'Another model',
      condition: { variable: '_SMSTSModel', operator: 'equals', value: 'no such model' },
      steps: [{ type: 'downloadPackageContent', name: 'Its drivers', packages: [B] }],
    },
    { type: 'runCommandLine', name: 'Use a package', package: A, commandLine: 'sh tool.sh', outputTo: 'Size' },
    { type: 'runCommandLine', name: 'Tell', commandLine: 'echo size %Size% and %Password%' },
    { type: 'restartComputer', name: 'Restart', timeoutSeconds: 0 },
    { type: 'runCommandLine', name: 'After', commandLine: effect('after') },
  ])
  const report = await line.runToEnd()
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.deepEqual(line.happened(), ['first', 'after'])
  assert.equal(report.restarts, 1)
  assert.equal(report.osBefore, 'Demo 1')
  assert.ok(report.firstStepMs <= report.totalMs, `${report.firstStepMs} ms`)
  assert.deepEqual(
    report.steps.map(({ name, outcome }) => `${name}: ${outcome}`),
    [
      'Secret: succeeded',
      'First: succeeded',
      'Its drivers: skipped',
      'Use a package: succeeded',
      'Tell: succeeded',
      'Restart: succeeded',
      'After: succeeded',
    ],
  )
  const [a, b] = report.packages
  assert.equal(a?.fetchedBytes, line.contents.packages[0]?.policy.storedBytes)
  assert.equal(a?.fetchedBytes, a?.neededBytes)
  assert.equal(b?.fetchedBytes, 0)
  assert.equal(report.fetchedBytes, line.contents.served.packBytes)
  assert.equal(
    report.referencedBytes,
    line.contents.packages.reduce((sum, one) => sum + one.policy.storedBytes, 0),
  )
  assert.ok(report.metadataBytes <= report.referencedBytes / 100)

  assert.deepEqual(
    events(line)
      .map(({ kind }) => kind)
      .filter((kind) => ['runStarted', 'contentReady', 'restarting', 'runFinished'].includes(kind)),
    ['runStarted', 'contentReady', 'restarting', 'runFinished'],
  )
  await tracesOf(line)
  const log = line.log()
  assert.match(log, /^\ufeff<!\[LOG\[Task sequence execution engine started\./)
  assert.match(log, /The execution of the group \(Another model\) has been skipped/)
  assert.match(log, /<!\[LOG\[Successfully completed the action \(First\) with the exit win32 code 0\.\]LOG\]!>/)
  assert.match(log, new RegExp(`size ${8 * MiB} and \\*\\*\\*\\*\\*`))
  assert.ok(!log.includes('hunter22'))
  assert.deepEqual(readdirSync(join(line.folder, 'device/runs')), [], 'nothing of the run is left but its report')
})

/** The trace of decisions, as `sluice-agent trace` gives it beside the agent. */
async function tracesOf(line: RunLine) {
  const command = async (...words: string[]) => {
    const said: string[] = []
    const say = (text: string) => void said.push(text)
    const code = await traceCommand([...words, '--config', join(line.folder, 'agent.json')], { out: say, error: say })
    return { code, text: said.join('\n') }
  }
  const { code, text } = await command()
  assert.equal(code, 0, text)
  const lines = text.split('\n').map((one) => one.replace(/^[\d:]{8} {2}/, ''))
  assert.match(lines[0] ?? '', /^Run run_\w+ of ".+", begun 20/)
  const at = (line: string) => assert.notEqual(lines.indexOf(line), -1, `${line}\n\n${text}`)
  at('First (runCommandLine)')
  at('Another model: skipped, its condition is false')
  at('  Its drivers: skipped, its condition is false')
  at('  Password = ********')
  assert.match(text, /Another model: condition is false: _SMSTSModel is not set, must equal "no such model": no/)
  assert.match(text, / {2}content ABC00001 from .+: \d+ bytes fetched of \d+ needed/)
  assert.match(text, / {4}exit code 0: succeeded after \d+\.\d s/)
  assert.match(text, /The computer was restarted[\s\S]*The run ended: success$/)
  const id = /run_\w+/.exec(text)?.[0] ?? ''
  const json = JSON.parse((await command(id, '--json')).text)
  assert.deepEqual([json.runId, json.leftOut], [id, 0])
  assert.ok(!JSON.stringify(json).includes('hunter22') && !text.includes('hunter22'))
  assert.match((await command('run_0000000000')).text, /There is no run run_0000000000/)
  assert.deepEqual((await command('upgrade')).code, 2)
}

test('the first step waits for no network: the gateway may be silent', async (t) => {
  const line = await startRunLine(t, packages, (effect) => [
    { type: 'runCommandLine', name: 'First', commandLine: effect('first') },
    { type: 'downloadPackageContent', name: 'Fetch', packages: [A] },
  ])
  const hold = Promise.withResolvers<void>()
  line.contents.hold = hold.promise
  const ended = line.runToEnd()
  await until('the first step ran', () => line.happened().length > 0)
  assert.equal(line.contents.served.objects.length, 0)
  hold.resolve()
  const report = await ended
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.ok(report.firstStepMs <= report.totalMs, `${report.firstStepMs} ms`)
})

test('all content before the start, where the deployment says so', async (t) => {
  const line = await startRunLine(
    t,
    packages,
    (effect) => [{ type: 'runCommandLine', name: 'First', commandLine: effect('first') }],
    { contentOption: 'allBeforeStart', downloadRetryCount: 0 },
  )
  const report = await line.runToEnd()
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.equal(report.fetchedBytes, report.referencedBytes)
})

test('content that does not come ends the run with the step and the reason', async (t) => {
  const line = await startRunLine(
    t,
    packages,
    () => [{ type: 'downloadPackageContent', name: 'Fetch', packages: [A] }],
    { downloadRetryCount: 1, downloadRetryDelayMs: 0 },
  )
  line.contents.fault = ({ kind }) => (kind === 'pack' ? (response) => response.writeHead(302).end() : undefined)
  const report = await line.runToEnd()
  assert.equal(report.result, 'failure')
  assert.equal(report.failedStep, 'Fetch')
  assert.equal(report.problem?.code, 'BAD_ANSWER')
  assert.match(report.problem?.detail ?? '', /ABC00001.*status 302/)
})

test("the organisation's name of the client settings is a variable that nobody else sets", async (t) => {
  const line = await startRunLine(t, {}, (effect) => [
    {
      type: 'runCommandLine',
      name: 'Name',
      commandLine: effect('named', 'test $(sluice-ts get _SMSTSOrgName) = Contoso'),
    },
    { type: 'runCommandLine', name: 'Change it', commandLine: 'sluice-ts set _SMSTSOrgName other' },
  ])
  line.site.body.clientSettings.computerAgent.organizationName = 'Contoso'
  const report = await line.runToEnd()
  assert.deepEqual([line.happened(), report.result, report.failedStep], [['named'], 'failure', 'Change it'])
})

test('up to ten kills of the agent: no step twice, none lost, the right bytes once, every variable kept', {
  timeout: 600_000,
}, async (t) => {
  const count = 'sleep 0.2; sluice-ts set Count $(($(sluice-ts get Count || echo 0) + 1))'
  const line = await startRunLine(t, packages, (effect) => [
    ...['one', 'two', 'three'].map((name) => ({
      type: 'runCommandLine' as const,
      name,
      commandLine: effect(name, count),
    })),
    { type: 'runCommandLine', name: 'use', package: A, commandLine: effect('use') },
    { type: 'restartComputer', name: 'Restart', timeoutSeconds: 0 },
    ...['four', 'five', 'six'].map((name) => ({
      type: 'runCommandLine' as const,
      name,
      commandLine: effect(name, count),
    })),
    {
      ...{ type: 'runCommandLine', name: 'counted', commandLine: effect('counted') },
      condition: { variable: 'Count', operator: 'equals', value: '6' },
    },
  ])
  line.contents.bytesPerSecond = 4 * MiB
  const random = seededRandom(11)
  let kills = 0
  const report = await line.runToEnd(async (agent) => {
    if (kills >= 10) return
    await until('the agent works', () => line.site.polls() > kills || agent.exitCode !== null)
    await delay(random() * 500)
    if (agent.exitCode !== null || line.report() !== undefined) return
    kills += 1
    agent.kill('SIGKILL')
  })
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.deepEqual(line.happened(), ['one', 'two', 'three', 'use', 'four', 'five', 'six', 'counted'])
  assert.ok(kills >= 5, `${kills} kills`)
  assert.ok(report.neededBytes <= (line.contents.packages[0]?.policy.storedBytes ?? 0), 'nothing came twice')
  const started = ofKind(line, 'stepStarted').map(({ name }) => name)
  assert.deepEqual(started, ['one', 'two', 'three', 'use', 'Restart', 'four', 'five', 'six', 'counted'])
  assert.equal(ofKind(line, 'runFinished').length, 1)
})
