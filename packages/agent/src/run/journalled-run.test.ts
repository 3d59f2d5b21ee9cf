/** The journal on SQLite: broken off at every single write, and opened again, a run comes out the same. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Action, ActionOutcome, Host, JournalEntry } from '@sluice/engine'
import { PackageId, SEQUENCE_FORMAT, Sequence, type SequenceNode } from '@sluice/protocol'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { instantRunners, type JournalledRun, journalledRun } from './journalled-run.ts'

const content = PackageId.parse('ABC00001')
const command = (name: string, more: object = {}): SequenceNode =>
  ({ type: 'runCommandLine', name, commandLine: name, ...more }) as SequenceNode
const sequence = Sequence.parse({
  format: SEQUENCE_FORMAT,
  name: 'Every write',
  steps: [
    { type: 'setVariable', name: 'Set', variable: 'A', value: '1' },
    {
      ...{ type: 'group', name: 'Main', continueOnError: true },
      steps: [
        { type: 'downloadPackageContent', name: 'Get', packages: [content], saveAs: 'P' },
        command('make', { package: content, outputTo: 'Out' }),
        { type: 'restartComputer', name: 'Restart', timeoutSeconds: 0 },
        command('fail'),
        command('never'),
      ],
    },
    command('on failure', { condition: { variable: '_SMSTSLastActionSucceeded', operator: 'equals', value: 'false' } }),
    command('soft'),
    command('last'),
  ],
})

class Crash extends Error {}

/** Dies before or after the commit or start of that number, counted from 1. */
function dying(host: Host, points: { left: number; when: 'before' | 'after' }): Host {
  const point = async (act: () => Promise<void>) => {
    const isHere = --points.left === 0
    if (isHere && points.when === 'before') throw new Crash()
    await act()
    if (isHere) throw new Crash()
  }
  return {
    ...host,
    commit: (state, entries) => point(() => host.commit(state, entries)),
    start: (attempt, action, leftMs) => point(() => host.start(attempt, action, leftMs)),
  }
}

interface Story {
  end: JournalledRun['result']
  executed: string[]
  journal: { kind: string }[]
  messages: { kind: string }[]
  points: number
}

async function carried(folder: string, at: number, when: 'before' | 'after'): Promise<Story> {
  const executed: string[] = []
  const runners = instantRunners((action: Action): ActionOutcome => {
    const name = action.kind === 'command' ? action.argv.join(' ') : action.kind
    executed.push(name)
    const exitCode = name === 'fail' ? 1 : name === 'soft' ? 3010 : 0
    return { kind: 'exited', exitCode, output: name, changes: [{ name: 'Made', value: name, hidden: false }] }
  })
  const points = { left: at, when }
  let boot = 1
  for (let calls = 0; calls < 20; calls++) {
    try {
      const around = (host: Host) => dying(host, points)
      const end = await journalledRun({ folder, sequence, runners, around, bootId: `boot-${boot}` })
      if (end === 'restart') boot++
      else return { end: end.result, executed, ...read(folder), points: at - points.left }
    } catch (error) {
      if (!(error instanceof Crash)) throw error
    }
  }
  throw new Error('the run does not end')
}

/** What the journal and the outbox say, without times. */
function read(folder: string): Pick<Story, 'journal' | 'messages'> {
  const db = new DatabaseSync(join(folder, 'state/agent.db'))
  try {
    const entries = db.prepare('SELECT entry FROM run_journal ORDER BY n').all()
    const messages = db.prepare('SELECT event FROM outbox ORDER BY id').all()
    return {
      journal: entries.map(({ entry }) => ({ ...(JSON.parse(String(entry)) as JournalEntry), at: 0, ms: 0 })),
      messages: messages.map(({ event }) => {
        const { report, ...told } = JSON.parse(String(event))
        return { ...told, ms: 0, report: report?.result }
      }),
    }
  } finally {
    db.close()
  }
}

test('broken off at every write of the journal and every start, the run, its journal and its messages are the same', async (t) => {
  const folder = temporaryFolder(t)
  const whole = await carried(join(folder, 'whole'), Number.MAX_SAFE_INTEGER, 'before')
  assert.equal(whole.end.kind, 'success')
  assert.deepEqual(whole.executed, ['make', 'fail', 'on failure', 'soft', 'last'])
  assert.ok(whole.points > 20, `${whole.points} points`)
  for (let at = 1; at <= whole.points; at++)
    for (const when of ['before', 'after'] as const) {
      const story = await carried(join(folder, `${at}-${when}`), at, when)
      const told = `${when} point ${at}`
      assert.deepEqual(story.executed, whole.executed, told)
      assert.deepEqual(story.end, whole.end, told)
      const essence = ({ journal }: Story) =>
        journal.filter(({ kind }) => kind !== 'stepRepeated' && kind !== 'restartRequested')
      assert.deepEqual(essence(story), essence(whole), told)
      const ends = ({ messages }: Story) => messages.filter(({ kind }) => kind !== 'restarting')
      assert.deepEqual(ends(story), ends(whole), told)
    }
})
