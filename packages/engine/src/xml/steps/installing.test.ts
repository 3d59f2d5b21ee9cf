/** Steps that install, protect, join and call others, as the console writes them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OriginalStep } from '@sluice/protocol'
import { obstacles } from '../../sequence/obstacles.ts'
import { exportSequence } from '../export-sequence.ts'
import { importSequences, type SequenceImport } from '../import.ts'
import { readStep } from './index.ts'

const original = (
  kind: string,
  action: string,
  variables: Record<string, string> = {},
  attributes = {},
): OriginalStep => ({
  ...{ class: `SMS_TaskSequence_${kind}`, action, attributes },
  variables: Object.entries(variables).map(([name, value]) => ({ name, value })),
})
function reading(step: OriginalStep): Record<string, unknown> | string {
  const read = readStep(step)
  return read.type === 'kept' ? `${read.reason.home}: ${read.reason.why}` : read.fields
}
const xml = (kind: string, action: string, variables: Record<string, string> = {}, element = 'step'): string =>
  `<${element} type="SMS_TaskSequence_${kind}" name="${kind}"><action>${action}</action><defaultVarList>${Object.entries(
    variables,
  )
    .map(([name, value]) => `<variable name="${name}" property="${name}">${value}</variable>`)
    .join('')}</defaultVarList></${element}>`
const imported = (inside: string, more: object = {}): SequenceImport =>
  importSequences({
    documents: [{ file: 'x', name: 'X', text: `<sequence version="3.10">${inside}</sequence>` }],
    ...more,
  })
const whyNot = ({ sequences }: SequenceImport): string[] =>
  sequences.flatMap(({ sequence }) => obstacles(sequence, 'windows').map(({ why }) => why))

const APP = 'ScopeId_1/Application_2'
const retried = { attributes: { retryCount: '2' } }

test('Install Application: ids and names of a list, or numbered variables; how one is installed is left to a person', () => {
  const named = original(
    'InstallApplicationAction',
    `smsappinstall.exe /app:${APP},S/A /basevar: /continueOnError:True`,
    {
      OSDApp0DisplayName: 'Reader',
      OSDApp0Name: APP,
      OSDAppCount: '2',
    },
  )
  assert.deepEqual(reading({ ...named, ...retried }), {
    ...{ applications: [{ name: 'Reader', id: APP }, { name: 'S/A' }], continueOnInstallError: true },
    class: 'idempotent',
  })
  const list = 'smsappinstall.exe /app: /basevar:COALESCEDAPPS /continueOnError:False'
  assert.deepEqual(reading(original('InstallApplicationAction', list)), {
    ...{ applications: [], listVariable: 'COALESCEDAPPS' },
  })
  assert.match(
    String(reading(original('InstallApplicationAction', 'smsappinstall.exe /app: /basevar:'))),
    /names no app/,
  )

  const result = imported(
    xml('InstallApplicationAction', `smsappinstall.exe /app:${APP} /basevar:`, {
      OSDApp0Name: APP,
      OSDApp0DisplayName: 'Reader',
    }) + xml('InstallApplicationAction', list),
  )
  assert.deepEqual(result.coverage.content, [{ id: APP, name: 'Reader', kind: 'application', state: 'missing' }])
  assert.match(result.problems[0]?.message ?? '', /^application .* \(Reader\) is needed: write in the step/)
  assert.equal(result.coverage.runsOnWindows, 2)
  assert.deepEqual(whyNot(result), [
    'how Reader is installed and found is not known: write install and detect',
    'what COALESCEDAPPS may name is not declared: list the applications',
  ])
})

test('Install Package: a program of a package, which is mapped; its command is left to a person', () => {
  const action = 'smsswd.exe /pkg:OPC00318 /install /basevar: /continueOnError:False'
  const result = imported(xml('InstallSoftwareAction', action, { _SMSSWDProgramName: 'Install' }), {
    packages: new Map([['OPC00318', 'ABC00001']]),
  })
  const [step] = result.sequences[0]?.sequence.steps ?? []
  assert.ok(step?.type === 'installPackage')
  assert.deepEqual(step.programs, [{ package: 'ABC00001', program: 'Install' }])
  assert.deepEqual(whyNot(result), ['the command of ABC00001:Install is not known: write it'])
  assert.equal(result.coverage.content[0]?.state, 'mapped')
  assert.match(String(reading(original('InstallSoftwareAction', 'smsswd.exe /pkg:x /install'))), /not a package id/)
  assert.match(String(reading(original('InstallSoftwareAction', 'smsswd.exe /pkg:ABC00001 /install'))), /no program/)
})

test('Install Software Updates: the target, and a retry after a restart that nobody asked for', () => {
  const update = (target: string) =>
    reading({ ...original('InstallUpdateAction', 'x', { SMSInstallUpdateTarget: target }), ...retried })
  assert.deepEqual(update('All'), { target: 'all', class: 'idempotent' })
  assert.deepEqual(update('Mandatory'), { class: 'idempotent' })
  assert.match(String(update('Some')), /not a choice/)
  const { coverage } = imported(xml('InstallUpdateAction', 'x', { SMSInstallUpdateTarget: 'All' }))
  assert.deepEqual([coverage.runsHere + coverage.runsOnWindows, coverage.notYet, coverage.kept], [1, 0, []])
})

test('Enable BitLocker: the action says everything; what is not known here keeps the step', () => {
  const enable = (action: string, variables = {}) => reading(original('EnableBitLockerAction', action, variables))
  assert.deepEqual(enable('OSDBitLocker.exe /enable  /wait:False /mode:TPM /pwd:AD'), {})
  assert.deepEqual(
    enable('OSDBitLocker.exe /enable /drive:d: /wait:True /mode:TPM /pwd:None /full:True /crypt:7 /ignoretpm:True'),
    {
      ...{ drive: 'D:', recoveryPassword: false, fullDisk: true, waitForEncryption: true },
      ...{ encryption: 'xtsAes256', skipWithoutTpm: true },
    },
  )
  assert.deepEqual(enable('OSDBitLocker.exe /enable /wait:False /mode:TPMPin /pwd:AD'), {
    ...{ mode: 'tpmAndPin', pin: 'OSDBitLockerPIN' },
  })
  assert.match(String(enable('OSDBitLocker.exe /enable /mode:Key')), /USB/)
  assert.match(String(enable('OSDBitLocker.exe /enable /mode:TPM /odd:1')), /"\/odd"/)
  assert.match(String(enable('OSDBitLocker.exe /enable /mode:TPM /crypt:99')), /method 99/)
  assert.match(String(enable('cscript.exe "%SCRIPTROOT%\\ZTIBde.wsf"')), /^deploymentShare:/)
})

test('Join Domain or Workgroup: a domain with its account, and the restart that follows unless it is skipped', () => {
  const join = (variables: Record<string, string>) =>
    reading(original('JoinDomainWorkgroupAction', 'osdjoin.exe /type:%OSDJoinType%', variables))
  const domain = { OSDJoinType: '0', OSDJoinDomainName: 'corp.example', OSDJoinAccount: 'CORP\\joiner' }
  assert.deepEqual(join({ ...domain, OSDJoinDomainOUName: 'LDAP://OU=A', OSDJoinSkipReboot: 'true' }), {
    ...{ domain: 'corp.example', organizationalUnit: 'LDAP://OU=A' },
    account: { account: 'CORP\\joiner', secret: 'CORP-joiner-password' },
  })
  assert.deepEqual(join({ OSDJoinType: '1', OSDJoinWorkgroupName: 'HOME' }), { workgroup: 'HOME', restart: true })
  assert.match(String(join({ ...domain, OSDJoinAccount: '' })), /no account/)
  assert.match(String(join({ OSDJoinType: '1' })), /no workgroup/)
  assert.match(
    String(join({ OSDJoinType: '1', OSDJoinWorkgroupName: 'MORE-THAN-FIFTEEN' })),
    /workgroup: what the file says/,
  )
})

test('a password that was taken out is named by the step, and its name survives export and import', () => {
  const result = imported(
    xml('JoinDomainWorkgroupAction', 'osdjoin.exe', {
      ...{ OSDJoinType: '0', OSDJoinDomainName: 'corp', OSDJoinAccount: 'CORP\\joiner', OSDJoinPassword: 'hunter-2' },
    }) +
      xml('RunCommandLineAction', 'smsswd.exe /run: a.exe', {
        ...{ _SMSTSRunCommandLineAsUser: 'true', SMSTSRunCommandLineUserName: 'CORP\\joiner' },
        SMSTSRunCommandLineUserPassword: 'other-3',
      }),
  )
  const [one] = result.sequences
  assert.ok(one !== undefined)
  const [join, run] = one.sequence.steps
  assert.ok(join?.type === 'joinDomainOrWorkgroup' && run?.type === 'runCommandLine')
  assert.deepEqual(
    [join.account?.secret, run.runAs?.secret],
    result.secrets.map(({ suggestedName }) => suggestedName),
  )
  assert.deepEqual(run.runAs, { account: 'CORP\\joiner', secret: 'CORP-joiner-password-2' })
  const { text } = exportSequence(one.sequence)
  assert.ok(!/hunter-2|other-3/.test(text))
  const again = importSequences({ documents: [{ file: 'x', name: 'X', text }] })
  assert.deepEqual(again.sequences[0]?.sequence.steps, one.sequence.steps)
  // Now its values are not in the file any more, as in any export of the console.
  assert.deepEqual(
    again.problems.map(({ kind, message }) => `${kind}: ${message.split(' is ')[0]}`),
    [
      'missingSecret: the value of the secret CORP-joiner-password',
      'missingSecret: the value of the secret CORP-joiner-password-2',
    ],
  )
})

test('Run Task Sequence: by its id there, until one of here is put in its place', () => {
  const call = xml(
    'SubTasksequence',
    'SubTasksequence.exe',
    {
      ...{ OSDSubTasksequenceTsName: 'Query', OSDSubTasksequencePackageID: 'GNS00928' },
    },
    'subtasksequence',
  )
  const result = imported(call)
  assert.deepEqual(result.coverage.content, [{ id: 'GNS00928', kind: 'sequence', state: 'missing' }])
  assert.equal(result.sequences[0]?.subSequences, 1)
  assert.deepEqual(whyNot(result), ['the sequence GNS00928 has another id here: put that in'])

  const mapped = imported(call, { calledSequences: new Map([['GNS00928', 'seq_0123456789ab']]) })
  assert.deepEqual(whyNot(mapped), [])
  assert.equal(mapped.coverage.content[0]?.state, 'mapped')
  const byName = reading(original('SubTasksequence', 'x', { OSDSubTasksequenceTsName: 'GNS00928, Query' }))
  assert.deepEqual(byName, { sequence: 'GNS00928' })
  assert.match(String(reading(original('SubTasksequence', 'x', { SubTaskSequenceID: 'AJ001' }))), /does not say the id/)
})
