import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OriginalStep, Step } from '@sluice/protocol'
import { sequenceOf } from '../../testing/index.ts'
import { exportSequence } from '../export-sequence.ts'
import { importSequences } from '../import.ts'
import { readStep } from './index.ts'
import { decodeScript, encodeScript } from './script-text.ts'

const original = (kind: string, variables: Record<string, string>, more: OriginalStep = {}): OriginalStep => ({
  class: `SMS_TaskSequence_${kind}Action`,
  ...more,
  variables: Object.entries(variables).map(([name, value]) => ({ name, value })),
})
/** The fields that a step gets, or why it is kept. */
function reading(step: OriginalStep): Record<string, unknown> | string {
  const read = readStep(step)
  return read.type === 'kept' ? `${read.reason.home}: ${read.reason.why}` : read.fields
}
const command = (action: string, more: OriginalStep = {}, variables: Record<string, string> = {}) =>
  reading(original('RunCommandLine', variables, { action, ...more }))

test('Run Command Line: the action counts, with and without a package', () => {
  assert.deepEqual(command('smsswd.exe /run: cmd.exe /c ver '), { commandLine: 'cmd.exe /c ver' })
  assert.deepEqual(command('smsswd.exe /run:ABC00001 setup.exe'), { commandLine: 'setup.exe', package: 'ABC00001' })
  assert.deepEqual(command('smsswd.exe /run: echo 100%', {}, { CommandLine: 'echo 100%%' }), {
    commandLine: 'echo 100%',
  })
  assert.deepEqual(command('cmd.exe /c ver', { attributes: { startIn: 'C:\\x' } }, { PackageID: '00000000' }), {
    commandLine: 'cmd.exe /c ver',
    startIn: 'C:\\x',
  })
  assert.deepEqual(readStep({ action: 'cmd.exe' }), { type: 'runCommandLine', fields: { commandLine: 'cmd.exe' } })
  const all = { attributes: { successCodeList: '0 3010 259 3221225547', timeout: '900' } }
  assert.deepEqual(
    command('smsswd.exe /run: a', all, { WorkingDirectory: '%D%', SMSTSRunCommandLineOutputVariableName: 'Out' }),
    { commandLine: 'a', startIn: '%D%', successCodes: [0, 3010, 259, 3221225547], timeoutMinutes: 15, outputTo: 'Out' },
  )
})

test('Run Command Line: what it cannot do here is told', () => {
  const table: [unknown, string][] = [
    [command('smsswd.exe /run:'), 'detail: it has no command'],
    [command('smsswd.exe /run:abc x'), 'detail: "abc" is not a package id'],
    [
      command('cscript.exe "%SCRIPTROOT%\\ZTIPowerShell.wsf'),
      'deploymentShare: its command is in a deployment share of the Microsoft Deployment Toolkit',
    ],
    [
      command('smsswd.exe /run: cmd "x'),
      'detail: its command cannot be split into words: The quote " at character 5 is not closed',
    ],
    [
      command('smsswd.exe /run: x', {}, { _SMSTSRunCommandLineAsUser: 'True' }),
      'detail: it runs as another account, which it does not name',
    ],
    [command('x', { attributes: { runIn: 'WinPE' } }), 'windowsPE: it runs in Windows PE only'],
    [command('x', { attributes: { retryCount: '2' } }), 'detail: trying a command again is not supported here yet'],
    [command('x', { attributes: { successCodeList: '0 ok' } }), 'detail: its success codes are not numbers'],
    [
      command('x', { attributes: { timeout: '99999999' } }),
      'detail: its time-out is not a number of seconds up to 999 minutes',
    ],
    [
      command('x', {}, { SMSTSRunCommandLineOutputVariableName: '_x' }),
      'detail: its output goes to "_x", a name that may not be set',
    ],
  ]
  for (const [told, expected] of table) assert.equal(told, expected)
})

test('Set Task Sequence Variable', () => {
  const set = (variables: Record<string, string>) => reading(original('SetVariable', variables))
  assert.deepEqual(set({ VariableName: 'A', VariableValue: '%B%' }), { variable: 'A', value: '%B%' })
  assert.deepEqual(set({ VariableName: 'A', VariableValue: 'x', DoNotShowVariableValue: 'TRUE' }), {
    variable: 'A',
    value: 'x',
    hidden: true,
  })
  assert.match(String(set({ VariableName: '_SMSTSx', VariableValue: '1' })), /a name that may not be set/)
  assert.match(String(set({ VariableName: 'A', VariableValue: '', DoNotShowVariableValue: 'true' })), /not in the file/)
})

test('Restart Computer: Windows PE is told by the hidden target, not by the action', () => {
  const target = (value: string) => ({
    class: 'SMS_TaskSequence_RebootAction',
    action: 'smsboot.exe /target:WinPE',
    variables: [{ name: 'SMSRebootTarget', value, hidden: true }],
  })
  assert.equal(reading(target('WinPE')), 'windowsPE: it restarts into Windows PE')
  assert.deepEqual(reading(target('HD')), {})
  assert.deepEqual(reading({ class: 'SMS_TaskSequence_RebootAction', action: 'smsboot.exe /target:WinPE' }), {})
  const told = { SMSRebootMessage: 'Soon', SMSRebootTimeout: '60' }
  assert.deepEqual(reading(original('Reboot', told)), { message: 'Soon', timeoutSeconds: 60 })
  assert.deepEqual(reading(original('Reboot', { Message: 'Soon', MessageTimeout: '5' })), {
    message: 'Soon',
    timeoutSeconds: 5,
  })
})

test('Download Package Content: the list, where it goes, and what is not there yet', () => {
  const download = (variables: Record<string, string>) => reading(original('DownloadPackageContent', variables))
  assert.deepEqual(
    download({
      OSDDownloadDownloadPackages: 'ABC00001,ABC00002',
      OSDDownloadDestinationLocationType: 'TSCache',
      OSDDownloadDestinationVariable: 'My',
      OSDDownloadContinueDownloadOnError: 'true',
    }),
    { packages: ['ABC00001', 'ABC00002'], saveAs: 'My', continueOnPackageError: true },
  )
  assert.match(String(download({ OSDDownloadDownloadPackages: '%Drivers%' })), /not a package id/)
  const to = (type: string, path = '') =>
    download({
      ...{ OSDDownloadDownloadPackages: 'ABC00001', OSDDownloadDestinationLocationType: type },
      OSDDownloadDestinationPath: path,
    })
  assert.deepEqual(to('CCMCache'), { packages: ['ABC00001'], destination: 'cache' })
  assert.deepEqual(to('Custom', '%D%\\x'), { packages: ['ABC00001'], destination: { path: '%D%\\x' } })
  assert.match(String(to('Custom')), /custom path is empty/)
  assert.match(String(to('Tape')), /not a known destination/)
})

test('Upgrade Operating System: a package, or else a path; what asks for more is told', () => {
  const upgrade = (variables: Record<string, string>) => reading(original('UpgradeOperatingSystem', variables))
  const usual = {
    OSDUpgradeDynamicUpdateSettings: 'Disable',
    OSDUpgradeInstallEditionIndex: '1',
    OSDUpgradeIgnoreMessages: 'false',
  }
  assert.deepEqual(
    upgrade({
      ...usual,
      OSDUpgradeInstallPackageID: 'ABC00001',
      OSDUpgradeInstallPath: 'C:\\',
      OSDUpgradeScanOnly: 'true',
    }),
    { package: 'ABC00001', scanOnly: true },
  )
  assert.deepEqual(upgrade({ OSDUpgradeInstallPath: '%Os01%', OSDUpgradeStagedContent: '%Drivers01%' }), {
    sourcePath: '%Os01%',
    driverPath: '%Drivers01%',
  })
  assert.equal(
    upgrade({
      OSDUpgradeInstallPackageID: 'ABC00001',
      OSDUpgradeInstallEditionIndex: '3',
      OSDUpgradeIgnoreMessages: 'true',
    }),
    'detail: another edition than the first and ignoring messages of the installer: not supported here yet',
  )
})

test('Check Readiness: only checks that are on; masks of the editor are nothing', () => {
  const check = (variables: Record<string, string>) => reading(original('PrestartCheck', variables))
  assert.deepEqual(
    check({
      OSDCheckMemory: 'true',
      OSDMemory: '2048',
      OSDCheckProcessorSpeed: 'false',
      OSDProcessorSpeed: '1000',
      OSDCheckOSType: 'true',
      OSDOSType: 'CLIENT',
      OSDCheckMinOSVersion: 'false',
      OSDMinOSVersion: '. .',
      OSDCheckMaxOsVersion: 'true',
      OSDMaxOSVersion: '10. 0.19045',
    }),
    { minimumMemoryMB: 2048, osType: 'client', maximumOsVersion: '10.0.19045' },
  )
  const newer = { OSDCheckPowerState: 'true', OSDCheckDeviceTpmEnabled: 'true', OSDCheckNetworkConnected: 'true' }
  assert.deepEqual(check(newer), { acPower: true, network: 'connected', tpm: 'enabled' })
  assert.equal(
    check({ OSDCheckOSLanguageID: 'true', OSDCheckCMClientMinVersion: 'true' }),
    'detail: checks that are not done here yet: client version, language',
  )
  assert.equal(
    check({ OSDCheckMinOSVersion: 'true', OSDMinOSVersion: '. .' }),
    'detail: OSDMinOSVersion is not a version',
  )
})

test('an edited step keeps everything else of its original', () => {
  const text = `<sequence version="3.10"><step type="SMS_TaskSequence_RunCommandLineAction" name="R" description="" runIn="FullOS" successCodeList="0" vendor="x"><action>smsswd.exe /run: old.exe</action><defaultVarList><variable name="CommandLine" property="CommandLine" hidden="true">old.exe</variable><variable name="SMSTSDisableWow64Redirection" property="DisableWow64Redirection">true</variable><variable name="Theirs" property="Theirs">1</variable><variable name="SuccessCodes" property="SuccessCodes" hidden="true">0</variable></defaultVarList></step></sequence>`
  const [read] = importSequences({ documents: [{ file: 'x', text, name: 'x' }] }).sequences
  assert.ok(read !== undefined)
  const edited = (changes: Partial<Step>): string => {
    const [step] = read.sequence.steps
    const changed = { ...read.sequence, steps: [{ ...step, ...changes }] } as typeof read.sequence
    const written = exportSequence(changed).text
    const [back] = importSequences({ documents: [{ file: 'x', text: written, name: 'x' }] }).sequences
    assert.ok(back !== undefined)
    const { original: _, ...fields } = back.sequence.steps[0] as Step
    const { original: __, ...expected } = changed.steps[0] as Step
    assert.deepEqual(fields, expected)
    return /<step.*<\/step>/.exec(written)?.[0] ?? ''
  }
  assert.equal(edited({}), /<step.*<\/step>/.exec(text)?.[0])
  const changed = edited({ commandLine: 'new.exe', package: 'ABC00001', successCodes: [0, 5] } as Partial<Step>)
  assert.match(changed, /<action>smsswd\.exe \/run:ABC00001 new\.exe<\/action>/)
  assert.match(changed, /<variable name="CommandLine" property="CommandLine" hidden="true">new\.exe</)
  assert.match(changed, /<variable name="PackageID" property="PackageID" hidden="true">ABC00001</)
  assert.match(changed, /<variable name="SMSTSDisableWow64Redirection" property="DisableWow64Redirection">true</)
  assert.match(changed, /<variable name="Theirs" property="Theirs">1</)
  assert.match(changed, / runIn="FullOS" successCodeList="0 5" .*vendor="x"/)
})

test('export tells what the XML has no place for', () => {
  const choice = { chosenBy: '%P%', candidates: ['ABC00001'] }
  const sequence = sequenceOf(
    [
      { type: 'runCommandLine', name: 'R', commandLine: 'x', class: 'idempotent', package: choice },
      { type: 'checkReadiness', name: 'C', platform: 'linux' },
      { type: 'setVariable', name: 'S', variable: 'Pin', value: '1234', hidden: true },
    ] as Step[],
    { inputs: [{ variable: 'A' }] },
  )
  const { text, lost } = exportSequence(sequence)
  assert.deepEqual(
    lost.map(({ path }) => path),
    ['inputs', 'steps[0].class', 'steps[0].package', 'steps[1].platform', 'steps[2].value'],
  )
  assert.ok(!text.includes('1234'))
})

test('Run PowerShell Script: inline or of a package, and back', () => {
  const source = 'Write-Output "ä😀"\r\n'
  const encoded = encodeScript(source)
  assert.equal(decodeScript(encoded), source)
  const inline = { OSDRunPowerShellScriptSourceScript: encoded, OSDRunPowerShellScriptExecutionPolicy: 'bypass' }
  const script = (variables: Record<string, string>, more: OriginalStep = {}) =>
    reading(original('RunPowerShellScript', variables, more))
  assert.deepEqual(
    script({ ...inline, OSDRunPowerShellScriptParameters: '-A "b c"' }, { attributes: { timeout: '900' } }),
    { source, parameters: '-A "b c"', executionPolicy: 'Bypass', timeoutMinutes: 15 },
  )
  const packaged = { OSDRunPowerShellScriptPackageID: 'ABC00001', OSDRunPowerShellScriptScriptName: '.\\a.ps1' }
  assert.deepEqual(script(packaged), { package: 'ABC00001', script: '.\\a.ps1' })
  for (const [variables, why] of [
    [{}, /it has no script/],
    [{ OSDRunPowerShellScriptSourceScript: 'plain' }, /cannot be read/],
    [{ ...inline, _SMSTSRunPowerShellAsUser: 'true' }, /another account/],
    [{ ...inline, OSDRunPowerShellScriptExecutionPolicy: 'Odd' }, /not an execution policy/],
    [{ ...packaged, OSDRunPowerShellScriptScriptName: '' }, /names no script/],
  ] as const)
    assert.match(String(script(variables)), why)
})

test('Set Dynamic Variables: rules with and without condition; a secret that was removed keeps the step', () => {
  const rules = (text: string) => reading(original('SetDynamicVariables', { OSDSetDynamicVariablesRules: text }))
  const variable = (name: string, value: string, secret = false) =>
    `<Variables><Variable Name="${name}" IsSecret="${secret}">${value}</Variable></Variables>`
  const when =
    '<condition><expression type="SMS_TaskSequence_MakeModelConditionExpression"><variable name="Make">Dell*</variable><variable name="Model">*</variable></expression></condition>'
  assert.deepEqual(
    rules(`<Rules><Rule>${variable('A', '1')}</Rule><Rule>${when}${variable('B', '%A%')}</Rule></Rules>\n`),
    {
      rules: [
        { variables: [{ variable: 'A', value: '1' }] },
        { when: { make: 'Dell*', model: '*' }, variables: [{ variable: 'B', value: '%A%' }] },
      ],
    },
  )
  assert.match(String(rules(`<Rules><Rule>${variable('Pin', '', true)}</Rule></Rules>`)), /secret value of Pin/)
  assert.match(String(rules(`<Rules><Rule>${variable('_SMSTSX', '1')}</Rule></Rules>`)), /is not taken/)
  assert.match(String(rules('<Rules><Rule></Rules>')), /cannot be read/)
  assert.match(String(rules('')), /no rules/)
})

test('Disable BitLocker and Connect To Network Folder', () => {
  const disable = (action: string, count = '') =>
    reading(original('DisableBitLocker', { OSDBitLockerRebootCount: count }, { action }))
  assert.deepEqual(disable('OSDBitLocker.exe /disable ', '15'), { rebootCount: 15 })
  assert.deepEqual(disable('OSDBitLocker.exe /disable /drive:d:'), { drive: 'D:' })
  assert.match(String(disable('OSDBitLocker.exe /enable')), /action is not known/)
  assert.match(String(disable('OSDBitLocker.exe /disable', '99')), /from 0 to 15/)
  const connect = (variables: Record<string, string>) => reading(original('ConnectNetworkFolder', variables))
  const path = { SMSConnectNetworkFolderPath: '\\\\server\\share' }
  assert.deepEqual(connect({ ...path, SMSConnectNetworkFolderDriveLetter: 'v:' }), {
    ...{ path: '\\\\server\\share', drive: 'V:' },
  })
  const account = { ...path, SMSConnectNetworkFolderAccount: 'a\\b' }
  assert.deepEqual(connect(account), {
    ...{ path: '\\\\server\\share' },
    account: { account: 'a\\b', secret: 'a-b-password' },
  })
  const inVariable = connect({ ...account, SMSConnectNetworkFolderPassword: '%Pw%' })
  assert.equal(inVariable, 'detail: the password of a\\b is in a variable: make it a secret')
})

test('what a native step has no place for in XML is told; the rest comes back', () => {
  const steps = [
    { type: 'runScript', name: 'S', source: 'Get-Item .', parameters: '-A', retry: { count: 2 } },
    { type: 'runScript', name: 'Sh', source: 'true', interpreter: 'sh' },
    { type: 'installSoftwareUpdates', name: 'U', target: 'all', class: 'probe', probe: 'x' },
    {
      ...{ type: 'installPackage', name: 'P' },
      programs: [{ package: 'ABC00001', program: 'Install', commandLine: 'setup.exe' }],
    },
  ] as Step[]
  const { text, lost } = exportSequence(sequenceOf(steps))
  assert.deepEqual(
    lost.map(({ path }) => path),
    ['steps[0].retry', 'steps[1].interpreter', 'steps[2].probe', 'steps[2].class', 'steps[3].programs'],
  )
  const [back] = importSequences({ documents: [{ file: 'x.xml', text, name: 'x' }] }).sequences
  assert.deepEqual(
    back?.sequence.steps.map(({ type }) => type),
    ['runScript', 'runScript', 'installSoftwareUpdates', 'installPackage'],
  )
})
