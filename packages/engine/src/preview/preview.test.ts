import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageId, SequenceNode } from '@sluice/protocol'
import { sequenceOf } from '../testing/index.ts'
import { type Preview, previewSequence } from './preview.ts'
import { bytesOfContent } from './preview-content.ts'
import { PreviewFacts } from './preview-facts.ts'

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

test('what is fetched, and how many bytes that is, also where a variable chooses', async () => {
  const C = 'ABC00003' as PackageId
  const choice = (chosenBy: string): SequenceNode => ({
    ...{ type: 'downloadPackageContent', name: chosenBy, packages: [{ chosenBy, candidates: [B, C] }] },
  })
  const steps: SequenceNode[] = [
    fetch('One', A),
    { type: 'runCommandLine', name: 'Ask', commandLine: 'ask', outputTo: 'Answer' },
    choice('%Answer%'),
    { type: 'runCommandLine', name: 'Some', commandLine: 'x', package: C, files: ['a/*'] },
    choice('%Known%'),
  ]
  const open = await preview(steps, {}, { Known: 'ABC00003' })
  assert.equal(open.result.kind, 'success')
  assert.deepEqual(
    open.content.map(({ step, kind, packages }) => [step, kind, packages]),
    [
      [0, 'whole', [A]],
      [2, 'oneOf', [B, C]],
      [3, 'files', [C]],
      [4, 'whole', [C]],
    ],
  )
  const sizes = new Map([
    [A, 1_000],
    [B, 20],
    [C, 300],
  ])
  // C is needed whole, so a choice that comes out as C costs nothing more.
  assert.deepEqual(bytesOfContent(open.content, sizes), { leastBytes: 1_300, mostBytes: 1_320, unknown: [] })
  assert.deepEqual(
    bytesOfContent(
      open.content.slice(0, 3),
      new Map([
        [A, 5],
        [B, 7],
      ]),
    ),
    {
      ...{ leastBytes: 5, mostBytes: 12, unknown: [C] },
    },
  )
  // A value that is known, and is none of the candidates, fails as it would on the device.
  const wrong = await preview(steps, {}, { Known: 'ABC00009' })
  assert.ok(wrong.result.kind === 'failure' && wrong.result.problem.code === 'CANDIDATE_NOT_DECLARED')
})

test('applications, lists, scripts, rules and the end are previewed as they run', async () => {
  const { steps, content, result } = await preview(
    [
      {
        ...{ type: 'setDynamicVariables', name: 'Rules' },
        rules: [{ when: { make: 'Lode*', model: '*' }, variables: [{ variable: 'Ring', value: 'fast' }] }],
      },
      {
        ...{ type: 'installApplication', name: 'Apps' },
        applications: [
          { name: 'Editor', package: A, install: 'setup', detect: { software: 'editor', operator: 'anyVersion' } },
          { name: 'There', package: B, install: 'setup', detect: { file: '/there' } },
        ],
      },
      {
        ...{ type: 'installPackage', name: 'List', listVariable: 'Programs' },
        programs: [{ package: B, program: 'Install', commandLine: 'setup' }],
      },
      {
        ...{ type: 'runScript', name: 'Script', interpreter: 'sh', source: 'true' },
        condition: { variable: 'Ring', operator: 'equals', value: 'fast' },
      },
      { type: 'checkReadiness', name: 'Ready', minimumFreeDiskMB: 9_999, acPower: true, tpm: 'enabled' },
    ],
    { files: { '/there': { kind: 'file' } } },
  )
  assert.equal(result.kind, 'success')
  assert.ok(steps.every(({ runs }) => runs))
  assert.deepEqual(
    content.map(({ step, kind, packages }) => [step, kind, packages]),
    [
      [1, 'whole', [A]],
      [2, 'someOf', [B]],
    ],
  )
  const ended = await previewSequence(
    sequenceOf([fetch('Main', A)], { finally: [fetch('End', B)] }),
    PreviewFacts.parse(device),
    {},
  )
  assert.ok(ended.ok)
  assert.deepEqual(
    ended.value.steps.map(({ atTheEnd }) => atTheEnd),
    [undefined, true],
  )
})
