import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageId, SequenceNode } from '@sluice/protocol'
import { type Preview, PreviewFacts, previewSequence } from './preview.ts'
import { sequenceOf } from './testing/index.ts'

const [A, B] = ['ABC00001', 'ABC00002'] as PackageId[] as [PackageId, PackageId]
const device = {
  ...{ hostname: 'pc-1', platform: 'linux', architecture: 'x64', manufacturer: 'Lodestar', model: 'Meridian 15' },
  ...{ serialNumber: 'S1', os: { id: 'x', name: 'X 1', version: '1' }, memoryBytes: 2 ** 33, processorMHz: 2_400 },
}
const preview = async (steps: SequenceNode[], more: object = {}, inputs = {}): Promise<Preview> => {
  const previewed = await previewSequence(sequenceOf(steps), PreviewFacts.parse({ ...device, ...more }), inputs)
  assert.ok(previewed.ok, previewed.ok ? '' : previewed.problem.detail)
  return previewed.value
}
const model = (value: string) => ({ variable: '_SMSTSModel', operator: 'equals', value }) as const
const fetch = (name: string, packageId: PackageId): SequenceNode => ({
  ...{ type: 'downloadPackageContent', name, packages: [packageId] },
})

test('which steps run, which not and why, and what is fetched', async () => {
  const { steps, packages, restarts, result, assumptions } = await preview(
    [
      { type: 'group', name: 'Others', condition: model('Meridian 14'), steps: [fetch('Not mine', A)] },
      { type: 'group', name: 'Mine', condition: model('Meridian 15'), steps: [fetch('Mine', B)] },
      { type: 'setVariable', name: 'Off', disabled: true, variable: 'X', value: '1' },
      { type: 'restartComputer', name: 'Restart' },
      {
        ...{ type: 'runCommandLine', name: 'On battery', commandLine: 'true' },
        condition: { wmi: 'SELECT * FROM Win32_Battery WHERE BatteryStatus = 1', namespace: 'root\\cimv2' },
      },
    ],
    { wmi: { Win32_Battery: [{ BatteryStatus: 1 }] } },
  )
  assert.deepEqual(
    steps.map(({ name, runs, why }) => [name, runs, why]),
    [
      ['Not mine', false, 'group Others: _SMSTSModel is "Meridian 15", must equal "Meridian 14": no'],
      ['Mine', true, undefined],
      ['Off', false, 'disabled'],
      ['Restart', true, undefined],
      ['On battery', true, undefined],
    ],
  )
  assert.deepEqual([packages, restarts, result.kind], [[B], 1, 'success'])
  assert.deepEqual(assumptions, ['every command and upgrade succeeds, prints nothing and sets no variable'])
})

test('what only the device can tell is said', async () => {
  const file = (path: string): SequenceNode => ({
    ...{ type: 'setVariable', name: path, variable: 'X', value: '1', condition: { file: path } },
  })
  const { steps, assumptions } = await preview([file('/there'), file('/gone'), file('/who knows')], {
    files: { '/there': { kind: 'file' }, '/gone': null },
  })
  assert.deepEqual(
    steps.map(({ runs }) => runs),
    [true, false, false],
  )
  assert.deepEqual(assumptions, ['nothing is known of /who knows; it was taken as not there'])
  const query = { wmi: 'SELECT * FROM Win32_Battery', namespace: '' }
  const failing = await preview([{ type: 'restartComputer', name: 'R', condition: query }, fetch('Behind', A)])
  assert.ok(failing.result.kind === 'failure')
  assert.match(failing.result.problem.detail, /cannot tell about Win32_Battery/)
  assert.deepEqual(failing.steps[1], {
    name: 'Behind',
    type: 'downloadPackageContent',
    runs: false,
    why: 'a step before it failed',
  })
})

test('a sequence that would not start is refused with the reason', async () => {
  const kept = { type: 'kept', name: 'K', original: { class: 'Vendor_Step' } } as SequenceNode
  const refused = await previewSequence(sequenceOf([kept]), PreviewFacts.parse(device), {})
  assert.ok(!refused.ok)
  assert.equal(refused.problem.code, 'PLATFORM_NOT_SUPPORTED')
})
