/**
 * Any XML of the grammar that a task sequence may be exported in, as text, made without the code under test.
 */
import fc from 'fast-check'

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
/** Sometimes nothing. */
export const option = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined })
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
export const anyXml: fc.Arbitrary<string> = fc
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
