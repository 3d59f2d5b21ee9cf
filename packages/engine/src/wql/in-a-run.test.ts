import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Condition, SequenceNode } from '@sluice/protocol'
import { begun, sequenceOf, variableOf, wholeRun } from '../testing/index.ts'

const query = (wmi: string, more: object = {}): Condition => ({ wmi, namespace: 'root\\cimv2', ...more })
const set = (variable: string, condition?: Condition, more: object = {}): SequenceNode =>
  ({
    type: 'setVariable',
    name: variable,
    variable,
    value: '1',
    ...(condition ? { condition } : {}),
    ...more,
  }) as SequenceNode
const decisions = (journal: readonly { kind: string }[]): string[] =>
  journal.flatMap((entry) => ('trace' in entry ? [String(entry.trace)] : []))

test('steps run by what the device is; the trace shows query and rows', async () => {
  const { state, host } = await wholeRun(
    sequenceOf([
      set('Model', query("SELECT * FROM Win32_ComputerSystem WHERE Model LIKE 'Lodestar 1[0-9]'")),
      set('OnBattery', query('Select BatteryStatus From Win32_Battery where BatteryStatus != 2')),
      set(
        'Windows',
        query("SELECT * FROM Win32_OperatingSystem WHERE Version like '10.%' AND OSType=18 AND ProductType=1"),
      ),
      set('Fast', query('SELECT * FROM Win32_Processor WHERE MaxClockSpeed > 1500 AND Architecture = 9')),
    ]),
    { rows: { Win32_Battery: [{ BatteryStatus: 2 }] } },
  )
  const names = ['Model', 'OnBattery', 'Windows', 'Fast'].filter((name) => variableOf(state, name) === '1')
  assert.deepEqual(names, ['Model', 'Fast'])
  assert.deepEqual(decisions(host.journal).slice(0, 2), [
    'query "SELECT * FROM Win32_ComputerSystem WHERE Model LIKE \'Lodestar 1[0-9]\'" finds 1 of 1 rows (Model="Lodestar 14"): yes',
    'query "Select BatteryStatus From Win32_Battery where BatteryStatus != 2" finds 0 of 1 rows (BatteryStatus=2): no',
  ])
})

test('one of several operating systems, each told by its queries', async () => {
  const platform = (name: string, ...texts: string[]) => ({
    ...{ name, key: {}, queries: texts.map((wmi) => ({ wmi, namespace: 'root\\cimv2' })) },
  })
  const from = 'SELECT * FROM Win32_OperatingSystem WHERE'
  const is64 = `${from} OSArchitecture like '64%'`
  const { state } = await wholeRun(
    sequenceOf([
      set('Either', {
        osPlatforms: [platform('Windows', `${from} OSType=18`, is64), platform('Linux', `${from} OSType=36`, is64)],
      }),
      set('Neither', { osPlatforms: [platform('Windows', `${from} OSType=18`, is64)] }),
    ]),
  )
  assert.equal(variableOf(state, 'Either'), '1')
  assert.equal(variableOf(state, 'Neither'), undefined)
})

test('a query that fails on the device fails its step, unless failing counts as no rows', async () => {
  const unknown = 'SELECT * FROM Win32_Battery'
  const { result, host, state } = await wholeRun(
    sequenceOf([
      set('Ignored', { none: [query(unknown, { ignoreQueryFailure: true })] }),
      set('Continued', query(unknown), { continueOnError: true }),
      set('Failed', { none: [query(unknown)] }),
      set('Never'),
    ]),
  )
  assert.equal(variableOf(state, 'Ignored'), '1')
  assert.deepEqual(begun(host.journal), ['Ignored', 'Continued', 'Failed'])
  assert.equal(result.kind, 'failure')
  assert.ok(result.kind === 'failure' && result.step === 'Failed')
  assert.equal(result.problem.code, 'PLATFORM_NOT_SUPPORTED')
  assert.equal(
    result.problem.detail,
    'Its condition could not be decided: this device cannot tell about Win32_Battery.',
  )
})

test('a group whose condition fails is a failed group: nothing in it runs', async () => {
  const group = (continueOnError: boolean): SequenceNode => ({
    ...{ type: 'group', name: 'G', continueOnError, condition: query('SELECT * FROM Win32_Battery') },
    steps: [set('Inside')],
  })
  const goesOn = await wholeRun(sequenceOf([group(true), set('Behind')]))
  assert.equal(goesOn.result.kind, 'success')
  assert.deepEqual(begun(goesOn.host.journal), ['Behind'])
  const ends = await wholeRun(sequenceOf([group(false), set('Behind')]))
  assert.ok(ends.result.kind === 'failure' && ends.result.step === 'G')
  assert.deepEqual(begun(ends.host.journal), [])
})
