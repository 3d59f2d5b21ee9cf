/** Each flag: what runs with it do, and that runs which an older engine began go on as they began. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SequenceNode } from '@sluice/protocol'
import { firstState, ManualHost, sequenceOf } from '../testing/index.ts'
import { currentFlags, flags } from './flags.ts'
import { type Advance, advance } from './run.ts'

const a = { type: 'runCommandLine', name: 'a', commandLine: 'a' } as SequenceNode

/** How a run of one command ends, with the flag and without it. */
async function bothWays(
  flag: number,
  given: {
    exitCode?: number
    change?: [string, string]
    variable?: [string, string]
    state?: object
    steps?: SequenceNode[]
  },
): Promise<[Advance['kind'], Advance['kind']]> {
  const run = async (has: readonly number[]): Promise<Advance['kind']> => {
    const changes = given.change === undefined ? [] : [{ name: given.change[0], value: given.change[1], hidden: false }]
    const host = new ManualHost({
      outcome: () => ({ kind: 'exited', exitCode: given.exitCode ?? 0, output: '', changes }),
    })
    const variables = given.variable === undefined ? [] : [{ variable: given.variable[0], value: given.variable[1] }]
    const { state, table } = await firstState(sequenceOf(given.steps ?? [a], { variables }), host)
    const stop = new AbortController().signal
    const began = { ...state, flags: [...has], ...(has.includes(flag) ? {} : given.state) }
    return (await advance({ table, host, stop, mayDebug: true, state: began })).kind
  }
  return [await run(currentFlags()), await run(currentFlags().filter((one) => one !== flag))]
}

/** A flag without an entry does not compile. */
const shown: Record<keyof typeof flags, () => Promise<void>> = {
  // There is nothing older: without any flag it does what it always did.
  firstEngine: async () => assert.deepEqual(await bothWays(flags.firstEngine, {}), ['finished', 'finished']),
  restartVariables: async () => {
    const ways = await bothWays(flags.restartVariables, { change: ['SMSTSRebootRequested', 'HD'] })
    assert.deepEqual(ways, ['restart', 'finished'])
  },
  maximumRunTime: async () => {
    // Runs without it have no limit in their state.
    const late = { activeMs: 999 * 3_600_000, limitMs: undefined }
    assert.deepEqual(await bothWays(flags.maximumRunTime, { state: late }), ['finished', 'finished'])
  },
  debugOnError: async () => {
    const ways = await bothWays(flags.debugOnError, { exitCode: 1, variable: ['TSDebugOnError', 'TRUE'] })
    assert.deepEqual(ways, ['debug', 'finished'])
  },
  debugAtGroups: async () => {
    const condition = { wmi: 'SELECT * FROM Win32_Battery', namespace: 'root\\cimv2' }
    const steps: SequenceNode[] = [{ type: 'group', name: 'G', condition, steps: [a] }]
    const ways = await bothWays(flags.debugAtGroups, { steps, variable: ['TSDebugOnError', 'TRUE'] })
    assert.deepEqual(ways, ['debug', 'finished'])
  },
  setupRollback: async () => {
    const upgrade = { type: 'upgradeOperatingSystem', name: 'Up', package: 'ABC00001' } as SequenceNode
    const condition = { variable: '_SMSTSSetupRollback', operator: 'equals', value: 'false' } as const
    const restart = { type: 'restartComputer', name: 'Post-Processing', condition } as SequenceNode
    const ways = await bothWays(flags.setupRollback, { steps: [upgrade, restart] })
    assert.deepEqual(ways, ['restart', 'finished'])
  },
}

for (const [name, show] of Object.entries(shown)) test(`flag ${name}: a started run keeps what it began with`, show)

test('numbers of flags are never used again: 1, 2, 3, … in the order they came', () => {
  assert.deepEqual(
    Object.values(flags),
    Object.keys(flags).map((_, index) => index + 1),
  )
})
