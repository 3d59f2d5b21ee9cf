import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sequence, SequenceNode } from '@sluice/protocol'
import { firstState, ManualHost, sequenceOf, variableOf, wholeRun } from '../testing/index.ts'
import { obstacles, refusal } from './obstacles.ts'

const kept = (name: string, original: object, more: object = {}): SequenceNode =>
  ({ type: 'kept', name, original, ...more }) as SequenceNode
const partition = { class: 'SMS_TaskSequence_PartitionDiskAction', action: 'osddiskpart.exe' }
const told = (sequence: Sequence): string[] => obstacles(sequence).map(({ name, why }) => `${name}: ${why}`)

test('an enabled step that is only kept hinders the sequence, with its reason', () => {
  const sequence = sequenceOf([
    kept('Wipe', partition),
    kept('Script', { class: 'SMS_TaskSequence_RunPowerShellScriptAction' }),
    kept('Toolkit', { action: 'cscript.exe "%SCRIPTROOT%\\ZTIGather.wsf"' }),
    kept('Old', { action: 'cmd.exe', attributes: { runIn: 'WinPE' } }),
    kept('Theirs', { class: 'Vendor_Step' }),
    kept('Child', { element: 'subtasksequence', class: 'SMS_TaskSequence_SubTasksequence' }),
  ])
  assert.deepEqual(told(sequence), [
    'Wipe: Format and Partition Disk exists in Windows PE only',
    'Script: it has no script',
    'Toolkit: its command is in a deployment share of the Microsoft Deployment Toolkit',
    'Old: it runs in Windows PE only',
    'Theirs: nobody here knows the step type Vendor_Step',
    'Child: it does not say the id of the sequence that it runs',
  ])
})

test('what is disabled, or in a disabled group, hinders nothing, and is skipped', async () => {
  const sequence = sequenceOf([
    kept('Wipe', partition, { disabled: true }),
    { type: 'group', name: 'G', disabled: true, steps: [kept('Wipe too', partition)] },
    { type: 'setVariable', name: 'Set', variable: 'A', value: '1' },
  ])
  assert.deepEqual(told(sequence), [])
  assert.equal(variableOf((await wholeRun(sequence)).state, 'A'), '1')
})

test('conditions that cannot be decided hinder, also deep inside others', () => {
  const wmi = { wmi: 'SELECT * FROM Win32_Fan', namespace: 'root\\cimv2' }
  const sequence = sequenceOf([
    {
      type: 'group',
      name: 'G',
      condition: { all: [{ variable: 'A', operator: 'exists' }, { none: [wmi] }] },
      steps: [],
    },
    { type: 'restartComputer', name: 'R', condition: { kept: '<expression type="Vendor"/>' } },
  ])
  assert.deepEqual(told(sequence), [
    'G: its condition queries WMI for the class Win32_Fan, which cannot be decided here yet',
    'R: its condition is of a kind that nobody here knows, which cannot be decided here yet',
  ])
})

test('a query hinders when nothing here can ever decide it: by its text, namespace, class or property', () => {
  const why = (wmi: string, namespace = 'root\\cimv2'): string[] =>
    told(sequenceOf([{ type: 'restartComputer', name: 'R', condition: { wmi, namespace } }]))
  const hinders = (what: string) => [`R: its condition ${what}, which cannot be decided here yet`]
  assert.deepEqual(why("select * from WIN32_computersystem where model = 'HP ProBook 445 G6'"), [])
  assert.deepEqual(why('SELECT Model FROM Win32_ComputerSystem', '\\\\.\\ROOT/CIMV2'), [])
  assert.deepEqual(
    why('SELECT * FROM Win32_ComputerSystem WHERE Fnord = 1'),
    hinders('queries WMI for the property Fnord of Win32_ComputerSystem'),
  )
  assert.deepEqual(why('SELECT * FROM CCM_X', 'root\\ccm'), hinders('queries the WMI namespace root\\ccm'))
  assert.deepEqual(
    why('SELECT * Win32_BIOS'),
    hinders('queries WMI with a text that is not understood (character 10: expected FROM)'),
  )
})

test('a run of such a sequence is refused before it starts', async () => {
  const sequence = sequenceOf([kept('Wipe', partition), kept('Wipe again', partition)])
  const reason = refusal(sequence)
  assert.equal(reason?.code, 'PLATFORM_NOT_SUPPORTED')
  assert.equal(reason.detail, 'Wipe: Format and Partition Disk exists in Windows PE only (and 1 more).')
  assert.deepEqual(reason.errors?.[1], {
    path: 'steps[1]',
    message: 'Wipe again: Format and Partition Disk exists in Windows PE only',
  })
  await assert.rejects(firstState(sequence, new ManualHost()), /Wipe: Format and Partition Disk/)
})

test('variables of the sequence are set at the start; an input of the same name wins', async () => {
  const sequence = sequenceOf([{ type: 'restartComputer', name: 'R' }], {
    inputs: [{ variable: 'Ring' }],
    variables: [
      { variable: 'DeploymentType', value: 'UPGRADE' },
      { variable: 'Ring', value: 'slow' },
    ],
  })
  const { state } = await firstState(sequence, new ManualHost(), { inputs: { Ring: 'fast' } })
  assert.equal(variableOf(state, 'deploymenttype'), 'UPGRADE')
  assert.equal(variableOf(state, 'ring'), 'fast')
})
