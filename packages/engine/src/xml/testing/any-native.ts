/** Any native sequence, of everything that the XML has a place for. */
import { type Condition, SEQUENCE_FORMAT, Sequence } from '@sluice/protocol'
import fc from 'fast-check'
import { option } from './any-xml.ts'

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
export const anyNative: fc.Arbitrary<Sequence> = fc
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
