/** Runs that shall end before their end: by order of the administrator, or because the device was shut out. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededBytes } from '@sluice/content/testing'
import { type PackageId, problem, type RunId } from '@sluice/protocol'
import { until } from '../testing/until.ts'
import { type RunLine, startRunLine } from './testing/run-line.ts'

const A = 'ABC00001' as PackageId
const packages = { ABC00001: { 'data.bin': seededBytes('a', 1024 * 1024) } }

/** Policy names the run from the next poll on; polls follow each other quickly. */
function order(line: RunLine, runId: RunId): void {
  line.site.body.cancelledRuns = [runId]
}
const quickly = (line: RunLine) => {
  line.site.body.clientSettings.clientPolicy.pollingIntervalMs = 1_000
}

test('W5: a step that runs is let end, nothing follows, and a kill after the order changes nothing', async (t) => {
  const line = await startRunLine(t, packages, (effect, held) => [
    { type: 'runCommandLine', name: 'First', commandLine: effect('first', held) },
    { type: 'runCommandLine', name: 'Second', commandLine: effect('second') },
  ])
  quickly(line)
  let killed = false
  const report = await line.runToEnd(async (agent) => {
    if (killed) return
    order(line, await line.begun())
    const polls = line.site.polls()
    await until('the order was read and the next poll has come', () => line.site.polls() > polls + 1)
    // The wish lies in the agent's state; policy needs not say it again.
    line.site.body.cancelledRuns = undefined
    killed = true
    agent.kill('SIGKILL')
    line.letGo()
  })
  assert.ok(killed)
  assert.equal(report.result, 'cancelled')
  assert.deepEqual(line.happened(), ['first'])
  assert.match(line.log(), /The sequence was cancelled/)
})

test('a download that does not come is given up at once; an order for another run is none', async (t) => {
  const line = await startRunLine(t, packages, (effect) => [
    { type: 'runCommandLine', name: 'First', commandLine: effect('first') },
    { type: 'downloadPackageContent', name: 'Fetch', packages: [A] },
    { type: 'runCommandLine', name: 'Last', commandLine: effect('last') },
  ])
  quickly(line)
  line.contents.hold = new Promise(() => {})
  const ended = line.runToEnd()
  const runId = await line.begun()
  order(line, 'run_0000000000' as RunId)
  const polls = line.site.polls()
  await until('the order was read', () => line.site.polls() > polls + 1)
  assert.equal(line.report(), undefined)
  order(line, runId)
  const report = await ended
  assert.equal(report.result, 'cancelled')
  assert.deepEqual(line.happened(), ['first'])
})

test('a wait for a restart is given up', async (t) => {
  const line = await startRunLine(t, {}, (effect) => [
    { type: 'restartComputer', name: 'Restart', timeoutSeconds: 600 },
    { type: 'runCommandLine', name: 'Last', commandLine: effect('last') },
  ])
  quickly(line)
  const ended = line.runToEnd()
  order(line, await line.begun())
  assert.equal((await ended).result, 'cancelled')
  assert.deepEqual(line.happened(), [])
})

test('a device that is shut out ends its run', async (t) => {
  const line = await startRunLine(t, {}, (effect, held) => [
    { type: 'runCommandLine', name: 'First', commandLine: effect('first', held) },
    { type: 'runCommandLine', name: 'Second', commandLine: effect('second') },
  ])
  quickly(line)
  const { answers } = line.site.gateway
  const { policy } = answers
  const ended = line.runToEnd()
  await line.begun()
  answers.policy = () => ({ problem: problem('CERTIFICATE_REVOKED', 'The site revoked it.') })
  await until('the device knows', () => line.agentLog().includes('the run is cancelled'))
  line.letGo()
  const report = await ended
  assert.equal(report.result, 'cancelled')
  assert.deepEqual(line.happened(), ['first'])
  answers.policy = policy
})
