import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalEntry } from '@sluice/engine'
import { RunId } from '@sluice/protocol'
import { traceLines, traceOf } from './trace.ts'

const at = 1_700_001_234_000
const journal: JournalEntry[] = [
  { kind: 'runStarted', at },
  { kind: 'variableSet', at, name: 'Note', value: 'the code is 1234', hidden: false },
  { kind: 'stepNote', at, instruction: 0, name: 'skipped', text: 'He said: skipped "so"' } as JournalEntry,
]

test('a hidden value is masked wherever it stands, and nothing else is hurt by it', () => {
  const run = {
    runId: RunId.parse('run_0000000000'),
    sequence: 'S',
    startedAt: at,
    journal,
    table: { instructions: [] },
  }
  for (const hidden of ['1234', '700', 'kind', 'skipped', 'stepNote', '"so"', '","']) {
    const trace = traceOf({ ...run, hidden: [hidden] })
    assert.deepEqual(
      trace.entries.map((entry) => [entry.kind, entry.at]),
      journal.map((entry) => [entry.kind, entry.at]),
    )
    assert.equal(traceLines(trace).length, 4)
    const texts = JSON.stringify(
      trace.entries.map((entry) => ('text' in entry ? entry.text : 'value' in entry ? entry.value : '')),
    )
    assert.ok(!texts.includes(JSON.stringify(hidden).slice(1, -1)) || hidden === '","', texts)
  }
})
