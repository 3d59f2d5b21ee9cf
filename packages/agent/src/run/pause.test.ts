/** Runs that rest by order of the administrator, and options of steps as the real agent carries them out. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { until } from '../testing/until.ts'
import { startRunLine } from './testing/run-line.ts'

test('W6: a run rests between two steps, over a kill of the agent, and goes on when policy lets it', async (t) => {
  const line = await startRunLine(t, {}, (effect, held) => [
    { type: 'runCommandLine', name: 'First', commandLine: effect('first', held) },
    { type: 'runCommandLine', name: 'Second', commandLine: effect('second') },
  ])
  line.site.body.clientSettings.clientPolicy.pollingIntervalMs = 1_000
  let killed = false
  const report = await line.runToEnd(async (agent) => {
    if (killed) {
      const polls = line.site.polls()
      await until('the agent came back and still rests', () => line.site.polls() > polls + 1)
      assert.deepEqual(line.happened(), ['first'])
      line.site.body.pausedRuns = undefined
      return
    }
    line.site.body.pausedRuns = [await line.begun()]
    const polls = line.site.polls()
    await until('the order was read', () => line.site.polls() > polls + 1)
    line.letGo()
    await until(
      'the run rests',
      () => existsSync(join(line.folder, 'device/logs/smsts.log')) && /is paused/.test(line.log()),
    )
    killed = true
    agent.kill('SIGKILL')
  })
  assert.equal(report.result, 'success')
  assert.deepEqual(line.happened(), ['first', 'second'])
  assert.match(line.log(), /The sequence goes on/)
})

test('scripts, retries, accounts, scripts of conditions and software, as the device carries them out', async (t) => {
  const tries = join(temporaryFolder(t), 'tries')
  const line = await startRunLine(t, {}, (effect) => [
    {
      ...{ type: 'runScript', name: 'Script', interpreter: 'sh -eu', parameters: '--name "a b"', outputTo: 'Out' },
      source: 'test "$1 $2" = "--name a b"\nsluice-ts set Made yes\necho "from $0" | sed "s|.*/||"\n',
    },
    {
      ...{ type: 'runCommandLine', name: 'Flaky', retry: { count: 3 } },
      commandLine: `sh -c "echo try >> ${tries}; test $(wc -l < ${tries}) -ge 3"`,
    },
    {
      ...{ type: 'runCommandLine', name: 'When', commandLine: effect('condition') },
      condition: {
        all: [
          { variable: 'Made', operator: 'equals', value: 'yes' },
          { variable: 'Out', operator: 'like', value: '*script' },
          { script: 'exit 0', interpreter: 'sh' },
          {
            none: [
              { script: 'exit 3', interpreter: 'sh' },
              { software: 'no-such-package', operator: 'anyVersion' },
            ],
          },
        ],
      },
    },
    {
      type: 'runCommandLine',
      name: 'Account',
      commandLine: 'sh -c "id -un"',
      runAs: { account: 'nobody' },
      outputTo: 'Who',
    },
    {
      type: 'runCommandLine',
      name: 'Nobody',
      commandLine: effect('nobody'),
      condition: { variable: 'Who', operator: 'equals', value: 'nobody' },
    },
    {
      type: 'setDynamicVariables',
      name: 'Rules',
      rules: [{ variables: [{ variable: 'Mac', value: '%_SMSTSMacAddresses%' }] }],
    },
  ])
  const report = await line.runToEnd()
  assert.deepEqual([report.result, report.problem?.detail], ['success', undefined], line.log())
  assert.deepEqual(line.happened(), ['condition', 'nobody'])
  assert.equal(readFileSync(tries, 'utf8'), 'try\n'.repeat(3))
  assert.match(line.log(), /Retry 2 follows/)
})
