import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { PackageId } from '@sluice/protocol'
import { writeSequenceFile } from '../sequence/write-file.ts'
import { processorMs } from '../testing/processor-ms.ts'
import { exportSequence } from './export-sequence.ts'
import { importSequences, type SequenceImport } from './import.ts'

const read = (text: string, more: object = {}): SequenceImport =>
  importSequences({ documents: [{ file: 'ts.xml', text, name: 'Fallback' }], ...more })
const sequence = (inside: string, attributes = 'version="3.10"'): string =>
  `<sequence ${attributes}>\n${inside}\n</sequence>`
const step = (name: string, inside = '', attributes = ''): string =>
  `<step type="SMS_TaskSequence_RunCommandLineAction" name="${name}" description="" ${attributes}>${inside || '<action>smsswd.exe /run: x</action>'}</step>`
const variables = (values: Record<string, string>): string =>
  `<defaultVarList>${Object.entries(values)
    .map(([name, value]) => `<variable name="${name}" property="${name}">${value}</variable>`)
    .join('')}</defaultVarList>`
/** `line:column path: message` of each problem. */
const told = ({ problems }: SequenceImport): string[] =>
  problems.map(({ kind, place, path = '', message }) => `${kind} ${place?.line}:${place?.column} ${path}: ${message}`)

test('groups and steps in any order become an instruction table; disabled ones keep their place', () => {
  const { sequences, coverage } = read(
    sequence(
      `<group name="A" disable="true">${step('1')}<group name="B"><action/></group><condition/>${step('2', '', 'disable="True"')}</group>${step('3')}`,
    ),
  )
  const [one] = sequences
  assert.deepEqual(one?.instructions, ['A', '1', 'B', 'B', '2', 'A', '3'])
  assert.equal(one.name, 'Fallback')
  assert.deepEqual(
    { steps: one.steps, groups: one.groups, conditions: one.conditions, runnable: one.runnable },
    { steps: 3, groups: 2, conditions: 1, runnable: true },
  )
  assert.equal(coverage.disabled, 1)
  assert.equal(coverage.runsOnWindows, 3)
})

test('the toolkit: name inside, variables at the start, steps without a type, scripts of the deployment share', () => {
  const { sequences, coverage, problems } = read(
    sequence(
      `<globalVarList><variable name="DeploymentType" property="DeploymentType">UPGRADE</variable><variable name="DeploymentType" property="DeploymentType">UPGRADE</variable><variable name="Empty" property="Empty"></variable></globalVarList>
       <step name="Plain" startIn="C:\\x" successCodeList="0 3010"><action>cmd.exe /c ver</action></step>
       <step name="Theirs"><action>cscript.exe "%SCRIPTROOT%\\ZTIGather.wsf"</action></step>`,
      'version="3.00" name="Client" description="d"',
    ),
  )
  assert.deepEqual(problems, [])
  const [one] = sequences
  assert.equal(one?.name, 'Client')
  assert.deepEqual(one.sequence.variables, [{ variable: 'DeploymentType', value: 'UPGRADE' }])
  assert.equal(one.variables, 3)
  assert.equal(coverage.never, 1)
  assert.equal(coverage.runsOnWindows, 1)
  assert.deepEqual(coverage.kept, [
    {
      step: 'Run Command Line',
      why: 'its command is in a deployment share of the Microsoft Deployment Toolkit',
      count: 1,
    },
  ])
})

test('names: none, too long, the same twice', () => {
  const long = 'n'.repeat(120)
  const result = read(sequence(`${step('')}${step(long)}${step('x')}${step('x')}`))
  assert.deepEqual(told(result), ['changed 2:1 steps[0]: a step without a name is called "Run Command Line"'])
  const steps = result.sequences[0]?.sequence.steps ?? []
  assert.deepEqual(
    steps.map(({ name }) => name.length),
    [16, 100, 1, 1],
  )
  assert.equal(steps[1]?.original?.attributes?.name, long)
})

test('a condition in the wrong place is kept and told, not applied', () => {
  const stray =
    '<expression type="SMS_TaskSequence_VariableConditionExpression"><variable name="Operator">exists</variable></expression>'
  const result = read(sequence(step('S', `${stray}<action>smsswd.exe /run: x</action><vendor/>`)))
  assert.deepEqual(told(result), [
    'notApplied 2:1 steps[0]: a condition that is not in <condition> is kept, but not applied: the original is not known to read it',
    'notApplied 2:1 steps[0]: <vendor> is kept, but nobody here knows what it means',
  ])
  const [one] = result.sequences
  assert.equal(one?.sequence.steps[0]?.condition, undefined)
  assert.equal(one?.expressions, 1)
})

test('secrets in clear text are nowhere in the result, and are told without their value', () => {
  const secret = 'Gz7!secret'
  const rules = `&lt;Rules&gt;&lt;Rule&gt;&lt;Variables&gt;&lt;Variable Name="Key" IsSecret="true"&gt;${secret}&lt;/Variable&gt;&lt;Variable Name="Ring"&gt;fast&lt;/Variable&gt;&lt;/Variables&gt;&lt;/Rule&gt;&lt;/Rules&gt;`
  const set = (name: string, more: Record<string, string> = {}): string =>
    `<step type="SMS_TaskSequence_SetVariableAction" name="Set ${name}"><action>tsenv.exe "${name}=${secret}" /hiddenflag:False</action>${variables({ VariableName: name, VariableValue: secret, ...more })}</step>`
  const result = read(
    sequence(
      `<globalVarList><variable name="AdminPassword">${secret}</variable></globalVarList>
${step('Run', `<action>smsswd.exe /run: net use /user:x ${secret}</action>${variables({ CommandLine: `net use /user:x ${secret}`, SMSTSRunCommandLineUserPassword: secret })}`)}
${set('OSDJoinPassword')}
${set('Token', { DoNotShowVariableValue: 'true' })}
<step type="SMS_TaskSequence_SetDynamicVariablesAction" name="Dynamic"><action>x</action>${variables({ OSDSetDynamicVariablesRules: rules })}</step>
<step type="SMS_TaskSequence_ApplyWindowsSettingsAction" name="Settings"><action>x</action>${variables({ OSDProductKey: secret, OSDRandomAdminPassword: 'true', OSDLocalAdminPassword: '%Admin%' })}</step>`,
    ),
  )
  assert.deepEqual(told(result), [
    'secretRemoved 1:1 : the value of AdminPassword stood in clear text and was removed',
    'secretRemoved 3:1 steps[0]: the value of SMSTSRunCommandLineUserPassword stood in clear text and was removed',
    'secretRemoved 4:1 steps[1]: the value of OSDJoinPassword stood in clear text and was removed',
    'secretRemoved 5:1 steps[2]: the value of Token stood in clear text and was removed',
    'secretRemoved 6:1 steps[3]: the value of Key stood in clear text and was removed',
    'secretRemoved 7:1 steps[4]: the value of OSDProductKey stood in clear text and was removed',
  ])
  assert.ok(!JSON.stringify(result).includes(secret))
  assert.ok(!inspect(result, { depth: 20, showHidden: true }).includes(secret))
  const [one] = result.sequences
  assert.ok(one !== undefined)
  assert.ok(!writeSequenceFile(one.sequence).includes(secret))
  assert.ok(writeSequenceFile(one.sequence).includes('OSDRandomAdminPassword, value: "true"'))
  // What needs the secret cannot run any more.
  assert.deepEqual(
    one.sequence.steps.map(({ type }) => type),
    ['kept', 'kept', 'kept', 'kept', 'kept'],
  )
})

test('secrets that were found can be made secrets of a site: place, name, and the value when asked for', () => {
  const run = (account: string, password: string): string =>
    step(
      'Run',
      `<action>smsswd.exe /run: x</action>${variables({ SMSTSRunCommandLineUserName: account, SMSTSRunCommandLineUserPassword: password })}`,
    )
  const rules = `&lt;Rules&gt;&lt;Rule&gt;&lt;Variables&gt;&lt;Variable Name="Key" IsSecret="true"&gt;a&amp;lt;b&lt;/Variable&gt;&lt;/Variables&gt;&lt;/Rule&gt;&lt;/Rules&gt;`
  const text = sequence(
    `<globalVarList><variable name="AdminPassword">first!</variable></globalVarList>${run('CORP\\ada', 'second!')}${run('corp\\ADA', 'second!')}${run('CORP\\ada', 'third!')}${run('eve', 'EVE')}<step type="SMS_TaskSequence_SetDynamicVariablesAction" name="D"><action>x</action>${variables({ OSDSetDynamicVariablesRules: rules })}</step>`,
  )
  const result = read(text)
  assert.deepEqual(
    result.secrets.map((secret) => [secret.path, secret.field, secret.suggestedName, secret.reveal()]),
    [
      [undefined, 'AdminPassword', 'AdminPassword', 'first!'],
      ['steps[0]', 'SMSTSRunCommandLineUserPassword', 'CORP-ada-password', 'second!'],
      ['steps[1]', 'SMSTSRunCommandLineUserPassword', 'CORP-ada-password', 'second!'],
      ['steps[2]', 'SMSTSRunCommandLineUserPassword', 'CORP-ada-password-2', 'third!'],
      ['steps[3]', 'SMSTSRunCommandLineUserPassword', 'SMSTSRunCommandLineUserPassword', 'EVE'],
      ['steps[4]', 'Key', 'Key', 'a<b'],
    ],
  )
  assert.ok(!/first!|second!|third!|EVE/.test(JSON.stringify(result) + inspect(result, { depth: 20 })))
  assert.match(JSON.stringify(result.sequences[0]?.sequence), /secret removed at import: CORP-ada-password-2\)/)
  // What was written is read again without finding anything anew.
  const [one] = result.sequences
  assert.ok(one !== undefined)
  assert.deepEqual(read(exportSequence(one.sequence).text).secrets, [])
})

test('a command that seems to hold a password is told, once', () => {
  const result = read(
    sequence(
      step('A', '<action>smsswd.exe /run: tool.exe --password=hunter2</action>') +
        step('B', '<action>smsswd.exe /run: tool.exe --password=%Password% -PasswordFile x</action>'),
    ),
  )
  assert.deepEqual(told(result), [
    'possibleSecret 2:1 steps[0]: a password seems to stand in its command: use a hidden variable',
  ])
})

test('content: missing, mapped, left out of the file, or named by kept steps only', () => {
  const text = sequence(
    `<referenceList><reference package="ABC00001" program="*"/><reference application="ScopeId_1/Application_2"/></referenceList>
${step('A', '<action>smsswd.exe /run:ABC00001 x</action>')}${step('B', '<action>smsswd.exe /run:ABC00002 x</action>')}
${step('C', '<action>smsswd.exe /run:00000000 x</action>')}
<step type="SMS_TaskSequence_ApplyDriverPackageAction" name="D"><action>x</action>${variables({ PackageID: 'ABC00003' })}</step>`,
  )
  const here = PackageId.parse('XYZ00009')
  const { coverage, sequences, problems } = read(text, {
    packages: new Map([['ABC00001', here]]),
    packageNames: new Map([['ABC00002', 'Tools']]),
  })
  assert.deepEqual(coverage.content, [
    { id: 'ABC00001', kind: 'package', state: 'mapped', mappedTo: here },
    { id: 'ABC00002', name: 'Tools', kind: 'package', state: 'missing' },
    { id: '00000000', kind: 'package', state: 'missing' },
    { id: 'ScopeId_1/Application_2', kind: 'application', state: 'notNeeded' },
    { id: 'ABC00003', kind: 'package', state: 'notNeeded' },
  ])
  const mapped = sequences[0]?.sequence.steps[0]
  assert.ok(mapped?.type === 'runCommandLine' && mapped.package === here)
  assert.deepEqual(
    problems.map(({ message }) => message),
    [
      'package ABC00002 (Tools) is needed: import it, or map it to one that is there',
      'a package was left out of the file (id 00000000): put an id in its place',
    ],
  )
})

test('a variable that Configuration Manager reads instead of a step is told', () => {
  const set = `<step type="SMS_TaskSequence_SetVariableAction" name="S"><action>tsenv.exe "OSDUpgradeStagedContent=x"</action>${variables({ VariableName: 'OSDUpgradeStagedContent', VariableValue: 'x' })}</step>`
  assert.match(
    told(read(sequence(set)))[0] ?? '',
    /^differs 2:1 steps\[0\]: OSDUpgradeStagedContent changes what later steps do/,
  )
})

test('sequences that call each other in a circle are refused', () => {
  const child = (id: string, calls: string, how: string): string =>
    `<SmsTaskSequencePackage><PackageID>${id}</PackageID><Name>Sequence ${id}</Name><SequenceData><sequence><subtasksequence type="SMS_TaskSequence_SubTasksequence" name="Call"><action>SubTasksequence.exe</action>${variables({ [how]: calls })}</subtasksequence></sequence></SequenceData></SmsTaskSequencePackage>`
  const circle = read(
    `<All>${child('ABC00001', 'ABC00002', 'OSDSubTasksequencePackageID')}${child('ABC00002', 'ABC00003, Sequence ABC00003', 'OSDSubTasksequenceTsName')}${child('ABC00003', 'ABC00002', 'OSDSubTasksequencePackageID')}</All>`,
  )
  assert.deepEqual(
    circle.problems.map(({ kind, severity, message }) => [kind, severity, message]),
    [
      [
        'cycle',
        'error',
        'sequences call each other in a circle: Sequence ABC00002 → Sequence ABC00003 → Sequence ABC00002',
      ],
    ],
  )
  const itself = read(child('ABC00001', 'ABC00001', 'OSDSubTasksequencePackageID'))
  assert.equal(itself.problems[0]?.kind, 'cycle')
  const chain = read(
    `<All>${child('ABC00001', 'ABC00002', 'OSDSubTasksequencePackageID')}${child('ABC00002', 'ABC00009', 'OSDSubTasksequencePackageID')}</All>`,
  )
  assert.ok(chain.problems.every(({ severity }) => severity !== 'error'))
  assert.equal(chain.sequences[0]?.subSequences, 1)
})

test('what cannot be used: malformed, empty, too deep, too much; each with its place', () => {
  const deep = '<group name="G">'.repeat(40) + '</group>'.repeat(40)
  const table: [string, string][] = [
    [`<sequence>\n  <group name="x">\n</sequence>`, 'unusable 2:3 : <group> is not closed'],
    ['<Applications/>', 'unusable 1:1 : there is no <sequence> in this file'],
    ['<sequence version="3.10"/>', 'unusable 1:1 steps: the sequence has no groups and no steps'],
    [sequence(deep), 'unusable 2:465 steps[0].steps[0].steps[0]'],
    [sequence('<group name="G"/>'.repeat(10_001)), 'unusable 1:1 steps: found 10001 entries; expected at most 10000'],
    [`<!DOCTYPE a [<!ENTITY b "c">]>${sequence(step('x'))}`, 'unusable 1:1 : a document type'],
    [
      sequence(step('x', `<action>${'a'.repeat(300_000)}</action>`)),
      'unusable 2:1 steps[0].original.action: found 300000 characters; expected at most 200000',
    ],
  ]
  for (const [text, expected] of table) {
    const result = read(text)
    assert.deepEqual(result.sequences, [])
    assert.equal(told(result)[0]?.slice(0, expected.length), expected)
    assert.equal(result.problems[0]?.severity, 'error')
  }
})

test('a step with more of everything than a person writes takes no longer for it', () => {
  const names = Array.from({ length: 9_000 }, (_, index) => index)
  const numbered = variables({
    OSDDownloadDownloadPackages: 'ABC00001',
    ...Object.fromEntries(names.map((index) => [`OSDPackage${index}PackageId`, 'ABC00001'])),
  })
  const secrets = variables(Object.fromEntries(names.map((index) => [`V${index}Password`, `secret value ${index}`])))
  const text = sequence(
    `<step type="SMS_TaskSequence_DownloadPackageContentAction" name="D"><action>x</action>${numbered}</step>${step('S', `<action>password ${' '.repeat(100_000)}</action>${secrets}`)}`,
  )
  const ms = processorMs(() => assert.equal(read(text).sequences[0]?.variables, 18_001))
  assert.ok(ms < 10_000, `${ms} ms`)
})

test('a program of a package has its command where the export says it; what is missing is listed with its place', () => {
  const install = (program: string): string =>
    `<step type="SMS_TaskSequence_InstallSoftwareAction" name="${program}"><action>smsswd.exe /pkg:ABC00001 /install /basevar: /continueOnError:False</action>${variables({ _SMSSWDProgramName: program })}</step>`
  const list = `<step type="SMS_TaskSequence_InstallSoftwareAction" name="List"><action>smsswd.exe /pkg: /install /basevar:APPS /continueOnError:False</action></step>`
  const here = PackageId.parse('XYZ00009')
  const imported = read(
    sequence(`<group name="G">${install('Install')}${install('install')}${list}${install('Broken')}</group>`),
    {
      programs: [
        { packageId: 'ABC00001', name: 'Install', commandLine: 'setup.exe /q', startIn: 'x64' },
        { packageId: 'ABC00001', name: 'Broken', commandLine: '"setup.exe /q' },
      ],
      packages: new Map([['ABC00001', here]]),
    },
  )
  const [one] = imported.sequences
  const [group] = one?.sequence.steps ?? []
  const programs =
    group?.type === 'group' ? group.steps.map((node) => (node.type === 'installPackage' ? node.programs : [])) : []
  assert.deepEqual(programs, [
    [{ package: here, program: 'Install', commandLine: 'setup.exe /q' }],
    [{ package: here, program: 'install' }],
    [],
    [{ package: here, program: 'Broken' }],
  ])
  assert.equal(one?.runnable, false)
  assert.deepEqual(one?.obstacles, [
    { path: 'steps[0].steps[1]', name: 'install', why: `the command of ${here}:install is not known: write it` },
    { path: 'steps[0].steps[2]', name: 'List', why: 'what APPS may name is not declared: list the programs' },
    { path: 'steps[0].steps[3]', name: 'Broken', why: `the command of ${here}:Broken is not known: write it` },
  ])
  assert.match(told(imported)[0] ?? '', /the program Install starts in x64 there, and in the folder of ABC00001 here/)
  assert.match(told(imported)[1] ?? '', /the program Broken has a command with a quote that does not end/)
})
