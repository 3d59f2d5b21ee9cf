import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageId, problem, type RunReport } from '@sluice/protocol'
import { reportText } from './report-view.ts'

const report: RunReport = {
  result: 'success',
  osBefore: 'MiniOS 1',
  osAfter: 'MiniOS 2',
  firstStepMs: 59,
  totalMs: 65_000,
  referencedBytes: 85_000_000,
  neededBytes: 44_100_000,
  fetchedBytes: 44_100_000,
  metadataBytes: 15_800,
  packages: [
    { id: PackageId.parse('DEM00001'), name: 'MiniOS 2', referencedBytes: 22e6, neededBytes: 22e6, fetchedBytes: 22e6 },
  ],
  steps: [{ name: 'Check', outcome: 'succeeded', ms: 14 }],
  restarts: 1,
  logPath: '/state/logs/smsts.log',
}

test('a success names both systems, every package and the figures', () => {
  const text = reportText(report, 44_100_000)
  for (const part of [
    'Success: MiniOS 1 → MiniOS 2',
    'DEM00001 MiniOS 2',
    '22.0 MB',
    '59 ms',
    '1 min 5 s',
    '1 restart,',
  ])
    assert.ok(text.includes(part) || text.includes(part.replace(',', '\n')), part)
  assert.ok(!text.includes('smsts.log'))
})

test('a failure names each step that failed, why, which one ended the run, and the log', () => {
  const text = reportText(
    {
      ...report,
      result: 'failure',
      osAfter: 'MiniOS 1',
      failedStep: 'Report the failure',
      problem: problem('STEP_FAILED', 'exit code 1'),
      steps: [
        { name: 'Upgrade', outcome: 'failed', ms: 9, problem: problem('CONTENT_CORRUPT', 'pack abc') },
        { name: 'Report the failure', outcome: 'failed', ms: 9, problem: problem('STEP_FAILED', 'exit code 1') },
      ],
    },
    0,
  )
  assert.match(text, /Failed: the device runs MiniOS 1/)
  assert.match(text, /step {4}Upgrade\n {2}reason .*\(CONTENT_CORRUPT\): pack abc/)
  assert.match(text, /step {4}Report the failure \(this one ended the run\)\n {2}reason .*\(STEP_FAILED\): exit code 1/)
  assert.match(text, /log {5}\/state\/logs\/smsts.log/)
})
