import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageId, type Sequence, type SequenceNode, type Step } from '@sluice/protocol'
import fc from 'fast-check'
import type { ActionOutcome } from '../host.ts'
import { type CrashPlan, sequenceOf, type WholeRun, type WholeRunOptions, wholeRun } from '../testing/index.ts'

const id = (text: string): PackageId => PackageId.parse(text)
const command = (name: string, more: Partial<Step> = {}): SequenceNode =>
  ({ type: 'runCommandLine', name, commandLine: name, ...more }) as SequenceNode
const group = (name: string, steps: SequenceNode[], more: Partial<SequenceNode> = {}): SequenceNode =>
  ({ type: 'group', name, steps, ...more }) as SequenceNode
const restart: SequenceNode = { type: 'restartComputer', name: 'Restart', timeoutSeconds: 0 }
const whenFailed = { variable: '_SMSTSLastActionSucceeded', operator: 'equals', value: 'false' } as const

/** `fail…` fails, `soft…` asks for a restart, the others succeed. */
const outcome: WholeRunOptions['outcome'] = (action): ActionOutcome => {
  const name = action.kind === 'command' ? (action.argv[0] ?? '') : ''
  const exitCode = name.startsWith('fail') ? 1 : name.startsWith('soft') ? 3010 : 0
  const made = { name: 'Made', value: name, hidden: false }
  return { kind: 'exited', exitCode, output: name, ...(name.startsWith('make') ? { changes: [made] } : {}) }
}

const sequences: Record<string, Sequence> = {
  'commands, content and variables': sequenceOf([
    { type: 'checkReadiness', name: 'Ready', minimumMemoryMB: 1 },
    { type: 'setVariable', name: 'Choose', variable: 'Pick', value: 'ABC00002' },
    {
      type: 'downloadPackageContent',
      name: 'Get',
      packages: [id('ABC00001'), { chosenBy: '%Pick%', candidates: [id('ABC00002')] }],
      saveAs: 'My',
    },
    command('run', { package: id('ABC00003'), outputTo: 'Out' }),
    command('use', { commandLine: 'use %My02% %Out%' }),
  ]),
  'failures, groups and conditions': sequenceOf([
    group('Main', [command('one'), group('Inner', [command('fail'), command('never')]), command('never')], {
      continueOnError: true,
    }),
    command('not now', { condition: { variable: 'Nothing', operator: 'exists' } }),
    group('On failure', [command('collect'), command('fail again', { continueOnError: true }), command('last')], {
      condition: whenFailed,
    }),
  ]),
  'variables that steps set': sequenceOf([
    command('make'),
    command('use', { commandLine: 'make%Made%', condition: { variable: 'Made', operator: 'equals', value: 'make' } }),
    command('again', { condition: { variable: 'Made', operator: 'equals', value: 'makemake' } }),
  ]),
  restarts: sequenceOf([command('soft'), restart, group('After', [command('work'), restart, command('soft again')])]),
  'a run that fails': sequenceOf([group('G', [command('one'), restart, command('fail')]), command('never')]),
}

const withClass = (sequence: Sequence, stepClass: 'idempotent' | 'once'): Sequence => {
  const change = (node: SequenceNode): SequenceNode =>
    node.type === 'group'
      ? { ...node, steps: node.steps.map(change) }
      : node.type === 'runCommandLine'
        ? { ...node, class: stepClass }
        : node
  return { ...sequence, steps: sequence.steps.map(change) }
}

/** Everything that must not depend on crashes: what happened, in order, and what it left. */
function essence({ result, state, host }: WholeRun): unknown {
  const happened = host.journal.flatMap((entry): unknown[] => {
    switch (entry.kind) {
      case 'stepRepeated':
      case 'restarted':
      case 'restartRequested':
        return []
      case 'stepFinished':
        return [{ ...entry, at: 0, ms: 0 }]
      default:
        return [{ ...entry, at: 0 }]
    }
  })
  return { result, happened, variables: state.variables }
}

const lengthOf = async (sequence: Sequence): Promise<number> => (await wholeRun(sequence, { outcome })).host.points

for (const [name, sequence] of Object.entries(sequences)) {
  test(`${name}: the agent killed at every single commit and start gives the same run, nothing twice`, async () => {
    const undisturbed = await wholeRun(sequence, { outcome })
    for (let at = 1; at <= undisturbed.host.points; at++)
      for (const when of ['before', 'after'] as const) {
        const run = await wholeRun(sequence, { outcome, crashes: [{ at, when, kind: 'agent' }] })
        assert.equal(run.crashes, 1)
        assert.deepEqual(essence(run), essence(undisturbed), `${when} point ${at}`)
        assert.deepEqual(run.host.executed, undisturbed.host.executed, `${when} point ${at}`)
      }
  })

  test(`${name}: the machine lost at every point; idempotent steps come out the same`, async () => {
    const idempotent = withClass(sequence, 'idempotent')
    const undisturbed = await wholeRun(idempotent, { outcome })
    for (let at = 1; at <= undisturbed.host.points; at++)
      for (const when of ['before', 'after'] as const) {
        const run = await wholeRun(idempotent, { outcome, crashes: [{ at, when, kind: 'machine' }] })
        assert.deepEqual(essence(run), essence(undisturbed), `${when} point ${at}`)
        assert.ok(run.host.executed.length - undisturbed.host.executed.length <= 1)
      }
  })

  test(`${name}: the machine lost at every point; steps that may run once never run twice`, async () => {
    const undisturbed = await wholeRun(sequence, { outcome })
    const points = await lengthOf(sequence)
    let unknown = 0
    for (let at = 1; at <= points; at++)
      for (const when of ['before', 'after'] as const) {
        const run = await wholeRun(sequence, { outcome, crashes: [{ at, when, kind: 'machine' }] })
        const names = run.host.executed.map((action) => (action.kind === 'command' ? action.argv.join(' ') : ''))
        assert.equal(new Set(names).size, names.length, `${when} point ${at}: ${names.join(', ')}`)
        const lost = run.host.journal.filter((entry) => entry.kind === 'stepFinished' && entry.outcome === 'unknown')
        if (lost.length === 0) assert.deepEqual(essence(run), essence(undisturbed), `${when} point ${at}`)
        else {
          unknown++
          assert.ok(
            lost.every((entry) => entry.kind === 'stepFinished' && entry.problem?.code === 'STEP_OUTCOME_UNKNOWN'),
          )
        }
      }
    // Lost in the middle: once for each attempt that began.
    assert.equal(unknown, undisturbed.host.executed.length)
  })
}

test('continue on error applies to an unknown outcome', async () => {
  const sequence = sequenceOf([command('one', { continueOnError: true }), command('two')])
  const run = await wholeRun(sequence, { outcome, crashes: [{ at: 2, when: 'after', kind: 'machine' }] })
  assert.equal(run.result.kind, 'success')
  assert.deepEqual(
    run.host.journal.flatMap((entry) => (entry.kind === 'stepFinished' ? [entry.outcome] : [])),
    ['unknown', 'succeeded'],
  )
})

test('an idempotent step that always takes the machine with it is tried three times', async () => {
  const sequence = sequenceOf([command('one', { class: 'idempotent' } as Partial<Step>)])
  // Points: intent, start; then after each crash the new boot, intent, start.
  const crashes: CrashPlan[] = [2, 5, 8, 11].map((at) => ({ at, when: 'after', kind: 'machine' }))
  const run = await wholeRun(sequence, { outcome, crashes })
  assert.equal(run.host.executed.length, 3)
  assert.ok(run.result.kind === 'failure')
  assert.equal(run.result.problem.code, 'STEP_OUTCOME_UNKNOWN')
  assert.match(run.result.problem.detail, /tried 3 times/)
})

test('a machine that restarts again and again while content is fetched: five times is survived, for ever is not', async () => {
  const sequence = sequenceOf([{ type: 'downloadPackageContent', name: 'Get', packages: [id('ABC00001')] }])
  // Point 1 enters the step; every boot after that is a commit, and the machine is lost behind it.
  const boots = (count: number): CrashPlan[] =>
    Array.from({ length: count }, (_, index) => ({ at: index + 1, when: 'after', kind: 'machine' }))
  const five = await wholeRun(sequence, { crashes: boots(5) })
  assert.deepEqual([five.result.kind, five.state.restarts], ['success', 5])
  const many = await wholeRun(sequence, { crashes: boots(100) })
  assert.ok(many.result.kind === 'failure')
  assert.equal(many.result.problem.code, 'RUN_STUCK')
  assert.ok(many.state.restarts <= 10, `${many.state.restarts} boots`)
})

test('killed at many random points, the run is still the same', async () => {
  const plans = fc.array(
    fc.record({ at: fc.integer({ min: 1, max: 60 }), when: fc.constantFrom('before' as const, 'after' as const) }),
    { maxLength: 8 },
  )
  const all = Object.values(sequences)
  const undisturbed = await Promise.all(all.map((sequence) => wholeRun(sequence, { outcome })))
  await fc.assert(
    fc.asyncProperty(fc.nat(all.length - 1), plans, async (index, crashes) => {
      const sequence = all[index]
      const expected = undisturbed[index]
      assert.ok(sequence && expected)
      const run = await wholeRun(sequence, { outcome, crashes: crashes.map((plan) => ({ ...plan, kind: 'agent' })) })
      assert.deepEqual(run.host.executed, expected.host.executed)
      assert.deepEqual(essence(run), essence(expected))
    }),
    { seed: 11, numRuns: 300 },
  )
})
