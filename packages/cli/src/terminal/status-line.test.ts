import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problem, StatusEntry, type StatusEvent } from '@sluice/protocol'
import { statusLine } from './status-line.ts'

const run = { runId: 'run_0000000000', deploymentId: 'dep_0000000000' }
const report = {
  result: 'failure',
  failedStep: 'Upgrade',
  problem: problem('UPGRADE_FAILED', 'The installer ended with 1 (0x1).'),
  osBefore: 'MiniOS 1',
  osAfter: 'MiniOS 1',
  firstStepMs: 900,
  totalMs: 61_250,
  referencedBytes: 80_000_000,
  neededBytes: 20_000_000,
  fetchedBytes: 20_000_000,
  metadataBytes: 1000,
  packages: [],
  steps: [],
  restarts: 1,
  logPath: '/log',
}

test('every kind of status message is one plain line', () => {
  const refusal = problem('INTERNET_NOT_ALLOWED', 'It is off.')
  const lines: [unknown, string][] = [
    [
      { kind: 'deploymentEvaluated', deploymentId: run.deploymentId, revision: 1, refusals: [] },
      'offers dep_0000000000',
    ],
    [
      { kind: 'deploymentEvaluated', deploymentId: run.deploymentId, revision: 1, refusals: [refusal] },
      'refuses dep_0000000000: The deployment does not allow devices on the internet. It is off. (INTERNET_NOT_ALLOWED)',
    ],
    [{ kind: 'runStarted', ...run, startedBy: 'user' }, 'started dep_0000000000 (by its user)'],
    [{ kind: 'stepStarted', ...run, instruction: 0, name: 'Ready?', stepType: 'checkReadiness' }, 'step: Ready?'],
    [
      { kind: 'stepFinished', ...run, instruction: 0, name: 'Ready?', stepType: 'x', outcome: 'succeeded', ms: 1234 },
      'step: Ready?: succeeded, 1.2 s',
    ],
    [
      {
        kind: 'contentReady',
        ...run,
        packageId: 'ABC00001',
        contentId: '0'.repeat(64),
        fetchedBytes: 17_000_000,
        neededBytes: 17_000_000,
      },
      'content ABC00001: 17.0 MB fetched of 17.0 MB needed',
    ],
    [
      {
        kind: 'contentReady',
        ...run,
        packageId: 'ABC00001',
        contentId: '0'.repeat(64),
        fetchedBytes: 1,
        neededBytes: 1,
        sources: ['edge1', 'archive'],
        passedOver: [{ name: 'edge1', problem: refusal }],
      },
      'content ABC00001: 1 B fetched of 1 B needed, from edge1, then archive; not from edge1 (INTERNET_NOT_ALLOWED)',
    ],
    [{ kind: 'restarting', ...run, message: '' }, 'restarts'],
    [{ kind: 'agentProblem', problem: refusal }, 'has a problem (INTERNET_NOT_ALLOWED: It is off.)'],
    [
      { kind: 'runFinished', ...run, report },
      'finished: failure, MiniOS 1 → MiniOS 1, 61.3 s, 20.0 MB fetched; failed at Upgrade (UPGRADE_FAILED: The installer ended with 1 (0x1).)',
    ],
  ]
  for (const [event, expected] of lines) {
    const entry = StatusEntry.parse({
      cursor: 1,
      deviceId: 'dev_0000000000',
      receivedAt: '2026-01-31T12:00:01Z',
      message: { bootId: 'b', seq: 1, at: '2026-01-31T12:00:00Z', event: event as StatusEvent },
    })
    assert.equal(statusLine(entry, 'laptop-7'), `2026-01-31T12:00:00Z  laptop-7  ${expected}`)
  }
})
