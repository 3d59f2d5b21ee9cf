import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Condition, SEQUENCE_FORMAT, Sequence } from '@sluice/protocol'
import fc from 'fast-check'
import { parseSequence } from '../sequence/parse.ts'
import { writeSequenceFile } from '../sequence/write-file.ts'
import { exportSequence } from './export-sequence.ts'
import { importSequences } from './import.ts'
import { walk } from './testing/independent-walk.ts'

const seed = 20260131

function imported(text: string): ReturnType<typeof importSequences>['sequences'][number] {
  const { sequences, problems } = importSequences({ documents: [{ file: 'x.xml', text, name: 'x' }] })
  const [first] = sequences
  assert.ok(first !== undefined, problems.map(({ message }) => message).join('; '))
  return first
}

// XML as text, made without the code under test.
const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign] ?? sign)
const tag = (name: string, attributes: Record<string, string | undefined>, inside: string): string => {
  const written = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${escaped(value)}"`],
  )
  return `<${name}${written.join('')}${inside === '' ? '/' : `>${inside}</${name}`}>`
}

const words = fc.string({ unit: fc.constantFrom(...'aZ09 %"\\\'<>&ä😀_-'), maxLength: 20 })
const name = fc.oneof(
  words.filter((text) => text.trim() !== ''),
  fc.constant('x'.repeat(120)),
)
const option = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined })
const flag = option(fc.constantFrom('true', 'false'))
const blank = fc.constantFrom('', ' ', '\n    ', '\r\n\t')

const variableIn = (names: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .record({ name: names, property: option(words), hidden: flag, value: words, around: blank })
    .map(({ value, around, ...attributes }) => tag('variable', attributes, around + escaped(value) + around))

const operand = (names: Record<string, fc.Arbitrary<string>>): fc.Arbitrary<string> =>
  fc.record(Object.fromEntries(Object.entries(names).map(([key, value]) => [key, option(value)]))).map((values) =>
    Object.entries(values)
      .map(([key, value]) => (value === undefined ? '' : tag('variable', { name: key }, escaped(value))))
      .join(''),
  )
const operator = fc.constantFrom(
  'equals',
  'Equals',
  'notequals',
  'exists',
  'notExists',
  'nonExists',
  'greaterEqual',
  'like',
  'odd',
  '',
)
const expressionOf = (kind: string, names: Record<string, fc.Arbitrary<string>>): fc.Arbitrary<string> =>
  fc
    .tuple(operand(names), option(fc.constantFrom('true', 'no')))
    .map(([inside, ignoreQueryFailure]) =>
      tag('expression', { type: `SMS_TaskSequence_${kind}ConditionExpression`, ignoreQueryFailure }, inside),
    )
const expression = fc.oneof(
  expressionOf('Variable', {
    Operator: operator,
    Value: words,
    Variable: fc.constantFrom('_SMSTSInWinPE', 'A', '%B%', ''),
  }),
  expressionOf('WMI', { Namespace: words, Query: words }),
  expressionOf('Registry', {
    Data: words,
    KeyPath: words,
    Operator: operator,
    Type: fc.constantFrom('REG_SZ', 'REG_X'),
    Value: words,
  }),
  expressionOf('File', {
    Path: words,
    Version: words,
    VersionOperator: operator,
    DateTime: fc.constantFrom('2026-01-02T03:04:05Z', 'x'),
    DateTimeOperator: operator,
  }),
  expressionOf('Folder', { Path: words }),
  expressionOf('OS', { Architecture: words, Version: words, Operator: operator }),
  expressionOf('Software', {
    Operator: fc.constantFrom('AnyVersion', 'ThisVersion'),
    ProductCode: words,
    ProductName: words,
    UpgradeCode: words,
    Version: words,
  }),
  expressionOf('Vendor', { Anything: words }),
  fc.constant(
    '<osConditionGroup type="or"><osExpressionGroup type="and" name="All Windows 10 (64-bit)"><platformKey arch="x64" type="Win_NT" minVer="10" maxVer="11"/><expression type="SMS_TaskSequence_WMIConditionExpression" ignoreQueryFailure="true"><variable name="Namespace">root\\cimv2</variable><variable name="Query">SELECT * FROM X</variable></expression></osExpressionGroup></osConditionGroup>',
  ),
)
const operands = fc.letrec<{ one: string; many: string }>((tie) => ({
  one: fc.oneof(
    { depthSize: 'small' },
    expression,
    fc
      .tuple(fc.constantFrom('and', 'or', 'not', 'AND', 'xor'), tie('many'))
      .map(([type, inside]) => tag('operator', { type }, inside)),
  ),
  many: fc.array(tie('one'), { maxLength: 3 }).map((parts) => parts.join('')),
}))
const condition = operands.many.map((inside) => tag('condition', {}, inside))

const sms = (kind: string): string => `SMS_TaskSequence_${kind}`
const stepClass = fc.constantFrom(
  'SMS_TaskSequence_RunCommandLineAction',
  'SMS_TaskSequence_SetVariableAction',
  'SMS_TaskSequence_RebootAction',
  'SMS_TaskSequence_PrestartCheckAction',
  'SMS_TaskSequence_DownloadPackageContentAction',
  'SMS_TaskSequence_UpgradeOperatingSystemAction',
  ...['InstallApplicationAction', 'InstallSoftwareAction', 'InstallUpdateAction', 'EnableBitLockerAction'].map(sms),
  ...['DisableBitLockerAction', 'JoinDomainWorkgroupAction', 'ConnectNetworkFolderAction', 'SubTasksequence'].map(sms),
  'BDD_Gather',
  'Vendor_Step',
)
const stepVariable = variableIn(
  fc.constantFrom(
    ...[
      'VariableName',
      'VariableValue',
      'DoNotShowVariableValue',
      'PackageID',
      'CommandLine',
      'SMSRebootTimeout',
      'Message',
    ],
    ...['OSDCheckMemory', 'OSDMemory', 'OSDDownloadDownloadPackages', 'OSDPackage0PackageId', 'OSDUpgradeInstallPath'],
    ...[
      '_SMSSWDProgramName',
      'OSDApp0Name',
      'OSDApp0DisplayName',
      'RetryCount',
      'SMSInstallUpdateTarget',
      'OSDBitLockerPIN',
    ],
    ...['OSDJoinType', 'OSDJoinDomainName', 'OSDJoinWorkgroupName', 'OSDJoinAccount', 'OSDJoinPassword'],
    ...['SMSConnectNetworkFolderPath', 'SMSConnectNetworkFolderAccount', 'OSDSubTasksequencePackageID'],
    ...[
      'SMSTSRunCommandLineUserName',
      'OSDUpgradeScanOnly',
      'WorkingDirectory',
      'RunAsUser',
      'OSDRunPowerShellScriptSourceScript',
    ],
  ),
)
const action = fc.oneof(
  words,
  fc
    .tuple(fc.constantFrom('', 'ABC00001', '00000000', 'bad'), words)
    .map(([id, command]) => `smsswd.exe /run:${id} ${command}`),
  fc.constantFrom(
    'smsboot.exe /target:WinPE',
    'cscript.exe "%SCRIPTROOT%\\ZTIGather.wsf',
    'tsenv.exe "A=b" /hiddenflag:False ',
    'smsappinstall.exe /app: /basevar:APPS /continueOnError:True',
    'smsappinstall.exe /app:ScopeId_1/Application_2,x /basevar: /continueOnError:False',
    'smsswd.exe /pkg:ABC00001 /install /basevar: /continueOnError:True',
    'OSDBitLocker.exe /enable  /wait:False /mode:TPM /pwd:AD',
    'OSDBitLocker.exe /enable /drive:D: /wait:True /mode:TPMPin /pwd:None /full:True /crypt:7 /ignoretpm:True',
    'OSDBitLocker.exe /disable ',
  ),
)
const parts = (...all: fc.Arbitrary<string | undefined>[]): fc.Arbitrary<string> =>
  fc.tuple(fc.tuple(...all), fc.infiniteStream(fc.nat(100)), blank).map(([made, order, around]) =>
    made
      .filter((part) => part !== undefined)
      .map((part) => ({ part, at: order.next().value ?? 0 }))
      .sort((a, b) => a.at - b.at)
      .map(({ part }) => around + part)
      .join(''),
  )
const common = { name, description: option(words), disable: flag, continueOnError: flag }
const step = fc
  .tuple(
    fc.record({
      type: option(stepClass),
      ...common,
      runIn: option(fc.constantFrom('WinPE', 'WinPEandFullOS', 'FullOS')),
      successCodeList: option(fc.constantFrom('0 3010', '0', '0 3010 259 3221225547', 'x')),
      timeout: option(fc.constantFrom('900', '100', '0', 'x')),
      startIn: option(words),
      retryCount: option(fc.constantFrom('0', '2')),
    }),
    parts(
      option(condition),
      action.map((text) => tag('action', {}, escaped(text))),
      option(fc.array(stepVariable, { maxLength: 4 }).map((list) => tag('defaultVarList', {}, list.join('')))),
      option(fc.constantFrom('<vendor a="1"><b>x</b></vendor>', '<expression type="stray"/>')),
    ),
  )
  .map(([attributes, inside]) => tag('step', attributes, inside))
const child = fc
  .record(common)
  .map((attributes) =>
    tag(
      'subtasksequence',
      { type: 'SMS_TaskSequence_SubTasksequence', ...attributes },
      '<action>SubTasksequence.exe</action>',
    ),
  )
const nodes = fc.letrec<{ node: string; group: string }>((tie) => ({
  node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, step, child, tie('group')),
  group: fc
    .tuple(
      fc.record({ ...common, expand: flag }),
      fc.array(tie('node'), { maxLength: 4 }),
      option(condition),
      option(fc.constant('<action/>')),
    )
    .chain(([attributes, inside, ...others]) =>
      parts(fc.constant(inside.join('')), ...others.map((other) => fc.constant(other))).map((all) =>
        tag('group', attributes, all),
      ),
    ),
}))
const sequenceXml = fc
  .tuple(
    fc.constantFrom<Record<string, string>>(
      { version: '3.10' },
      { version: '3.00', name: 'Toolkit', description: 'd' },
      {},
    ),
    option(
      fc.constantFrom(
        '<referenceList><reference package="ABC00001" program="*"/><reference application="ScopeId_1/Application_2"/></referenceList>',
      ),
    ),
    option(
      fc
        .array(variableIn(fc.constantFrom('OSGUID', 'DeploymentType', '_Own', 'a b')), { maxLength: 3 })
        .map((list) => tag('globalVarList', {}, list.join(''))),
    ),
    fc.array(nodes.node, { minLength: 1, maxLength: 5 }),
  )
  .map(([attributes, references = '', globals = '', inside]) =>
    tag('sequence', attributes, references + globals + inside.join('')),
  )

test('any XML of the grammar: nothing is lost, and what is written reads back as the same', () => {
  fc.assert(
    fc.property(sequenceXml, (text) => {
      const first = imported(text)
      const { instructions, values: _, ...counts } = walk(text)
      const { name: __, sequence, runnable: ___, instructions: told, ...found } = first
      assert.deepEqual(found, counts)
      assert.equal(told.length, instructions.length)
      const written = exportSequence(sequence).text
      assert.deepEqual(imported(written).sequence, sequence)
      assert.equal(exportSequence(imported(written).sequence).text, written)
    }),
    { seed, numRuns: 300 },
  )
})

test('any XML of the grammar becomes a file that reads back as the same', () => {
  fc.assert(
    fc.property(sequenceXml, (text) => {
      const { sequence } = imported(text)
      const parsed = parseSequence({ file: 'x.yaml', text: writeSequenceFile(sequence) })
      assert.deepEqual(parsed.ok ? parsed.value.sequence : parsed.problem.errors, sequence)
    }),
    { seed, numRuns: 100 },
  )
})

// Native sequences, of everything that the XML has a place for.
const text = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...'aZ0 %\\<>&ä😀'), maxLength })
    .map((value) => value.trim())
    .filter((value) => value !== '')
const variable = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,20}$/)
const packageId = fc.stringMatching(/^[A-Z]{3}[0-9A-F]{5}$/)
const compare = fc.constantFrom('equals', 'notEquals', 'less', 'lessEqual', 'greater', 'greaterEqual')
const nativeCondition = fc.letrec<{ any: Condition }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.record({ variable, operator: fc.constantFrom('exists', 'notExists') }),
    fc.record({ variable, operator: fc.oneof(compare, fc.constantFrom('like', 'notLike')), value: text(20) }),
    fc.record({ file: text(20), version: fc.record({ operator: compare, value: text(10) }) }),
    fc.record({
      folder: text(20),
      modified: fc.record({ operator: compare, value: fc.constant('2026-01-02T03:04:05Z') }),
    }),
    fc.record({ wmi: text(30), namespace: text(10), ignoreQueryFailure: fc.boolean() }),
    fc.record({ registry: text(20), operator: compare, value: text(5), data: text(5) }),
    fc.record({ all: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ none: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
  ) as fc.Arbitrary<Condition>,
}))
const nativeCommon = {
  name: text(30),
  description: option(text(30)),
  disabled: option(fc.constant(true)),
  continueOnError: option(fc.constant(true)),
  condition: option(nativeCondition.any),
}
const limited = { timeoutMinutes: option(fc.integer({ min: 1, max: 999 })) }
const again = option(fc.constant('idempotent'))
const secret = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,20}$/)
const account = fc.record({ account: text(20), secret })
const nativeStep = fc.oneof(
  fc.record({
    type: fc.constant('runCommandLine'),
    ...nativeCommon,
    commandLine: fc.stringMatching(/^[a-z.]{1,10}( [a-z/%\\]{1,10}| "[a-z ]{1,9}"){0,3}$/),
    package: option(packageId),
    startIn: option(text(20)),
    successCodes: option(fc.uniqueArray(fc.nat(2 ** 32), { minLength: 3, maxLength: 5 })),
    timeoutMinutes: option(fc.integer({ min: 1, max: 999 })),
    outputTo: option(variable),
    runAs: option(account),
  }),
  fc.record({
    type: fc.constant('setVariable'),
    ...nativeCommon,
    variable,
    value: text(30),
  }),
  fc.record({
    type: fc.constant('restartComputer'),
    ...nativeCommon,
    message: option(text(40)),
    timeoutSeconds: option(fc.nat(86_400)),
  }),
  fc.record({
    type: fc.constant('downloadPackageContent'),
    ...nativeCommon,
    packages: fc.uniqueArray(packageId, { minLength: 1, maxLength: 4 }),
    saveAs: option(variable),
    continueOnPackageError: option(fc.constant(true)),
  }),
  fc.record({
    type: fc.constant('upgradeOperatingSystem'),
    ...nativeCommon,
    package: packageId,
    driverPath: option(text(20)),
    scanOnly: option(fc.constant(true)),
  }),
  fc.record({ type: fc.constant('upgradeOperatingSystem'), ...nativeCommon, sourcePath: text(20) }),
  fc.record({
    type: fc.constant('checkReadiness'),
    ...nativeCommon,
    minimumMemoryMB: option(fc.integer({ min: 1, max: 9999 })),
    minimumFreeDiskMB: option(fc.integer({ min: 1, max: 9999 })),
    architecture: option(fc.constantFrom('x64', 'ia32')),
    osType: option(fc.constantFrom('client', 'server')),
    minimumOsVersion: option(fc.constantFrom('10.0.16299', '6.1')),
  }),
  fc.record({
    ...{ type: fc.constant('installApplication'), ...nativeCommon, ...limited, class: again },
    applications: fc.uniqueArray(
      fc.record({ name: text(20), id: fc.stringMatching(/^ScopeId_[A-F0-9]{4}\/Application_[a-f0-9]{8}$/) }),
      { minLength: 1, maxLength: 3, selector: ({ name }) => name },
    ),
    continueOnInstallError: option(fc.constant(true)),
  }),
  fc.record({
    ...{ type: fc.constant('installPackage'), ...nativeCommon, ...limited },
    programs: fc.tuple(fc.record({ package: packageId, program: text(20) })),
    continueOnInstallError: option(fc.constant(true)),
  }),
  fc
    .record({
      ...{ type: fc.constantFrom('installPackage', 'installApplication'), ...nativeCommon },
      listVariable: variable,
      continueOnInstallError: option(fc.constant(true)),
    })
    .map((step) => ({ ...step, [step.type === 'installPackage' ? 'programs' : 'applications']: [] })),
  fc.record({
    ...{ type: fc.constant('installSoftwareUpdates'), ...nativeCommon, ...limited, class: again },
    target: option(fc.constant('all')),
  }),
  fc.record({
    ...{ type: fc.constant('disableBitLocker'), ...nativeCommon, ...limited },
    ...{ drive: option(fc.constantFrom('C:', 'D:')), rebootCount: option(fc.nat(15)) },
  }),
  fc.record({
    ...{
      type: fc.constant('enableBitLocker'),
      ...nativeCommon,
      ...limited,
      drive: option(fc.constantFrom('C:', 'D:')),
    },
    encryption: option(fc.constantFrom('aes128', 'aes256', 'xtsAes128', 'xtsAes256')),
    recoveryPassword: option(fc.constant(false)),
    fullDisk: option(fc.constant(true)),
    waitForEncryption: option(fc.constant(true)),
    skipWithoutTpm: option(fc.constant(true)),
  }),
  fc.record({
    ...{ type: fc.constant('enableBitLocker'), ...nativeCommon },
    mode: fc.constant('tpmAndPin'),
    pin: secret,
  }),
  fc.record({
    ...{ type: fc.constant('joinDomainOrWorkgroup'), ...nativeCommon, ...limited, domain: text(20), account },
    ...{ organizationalUnit: option(text(20)), restart: option(fc.constant(true)) },
  }),
  fc.record({ ...{ type: fc.constant('joinDomainOrWorkgroup'), ...nativeCommon }, workgroup: text(15) }),
  fc.record({
    ...{ type: fc.constant('connectNetworkFolder'), ...nativeCommon, ...limited, account: option(account) },
    ...{ path: fc.constantFrom('\\\\s\\share', '%Share%\\x'), drive: option(fc.constantFrom('N:', 'Z:')) },
  }),
  fc.record({ ...{ type: fc.constant('runTaskSequence'), ...nativeCommon }, sequence: packageId }),
)
const native = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    nativeStep,
    fc.record({ type: fc.constant('group'), ...nativeCommon, steps: fc.array(tie('node'), { maxLength: 3 }) }),
  ),
}))
const nativeSequence = fc
  .record({
    name: text(30),
    description: option(text(30)),
    maximumRunTimeMinutes: fc.integer({ min: 1, max: 10_080 }),
    estimatedRunTimeMinutes: option(fc.integer({ min: 1, max: 999 })),
    variables: option(
      fc.uniqueArray(fc.record({ variable, value: text(20) }), {
        minLength: 1,
        maxLength: 3,
        selector: (one) => one.variable.toLowerCase(),
      }),
    ),
    steps: fc.array(native.node, { minLength: 1, maxLength: 4 }),
  })
  .map((value) => Sequence.parse(JSON.parse(JSON.stringify({ format: SEQUENCE_FORMAT, ...value }))))

test('a native sequence that the XML has a place for comes back as it was', () => {
  fc.assert(
    fc.property(nativeSequence, (sequence) => {
      const { text, lost } = exportSequence(sequence)
      assert.deepEqual(lost, [])
      const { original, ...back } = imported(text).sequence
      assert.equal(original?.dialect, 'configMgr')
      // The list of variables at the start is kept as it was, too; of the steps nothing more is kept.
      assert.deepEqual(back, sequence)
    }),
    { seed, numRuns: 300 },
  )
})
