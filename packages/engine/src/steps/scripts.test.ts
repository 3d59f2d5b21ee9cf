import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageId, type SequenceNode } from '@sluice/protocol'
import { sequenceOf, someProblem, variableOf, type WholeRunOptions, wholeRun } from '../testing/index.ts'

const script = (more: object): SequenceNode => ({ type: 'runScript', name: 'Script', ...more }) as SequenceNode
const command = async (step: SequenceNode, options: WholeRunOptions = {}) => {
  const variables = [
    { variable: 'Name', value: 'a b; rm -rf /' },
    { variable: 'Folder', value: 'sub' },
  ]
  const { host, result, state } = await wholeRun(sequenceOf([step], { variables }), options)
  const [action] = host.executed
  return { action: action?.kind === 'command' ? action : undefined, result, state }
}

test('a script in the sequence: the interpreter, its place, and parameters of one word each; its text is never expanded', async () => {
  const source = 'echo "$1" %Name%\n'
  const { action } = await command(script({ interpreter: 'sh -eu', source, parameters: '--name %Name%' }))
  assert.deepEqual(action?.argv, ['sh', '-eu', '', '--name', 'a b; rm -rf /'])
  assert.deepEqual(action?.script, { text: source, name: 'script', at: 2 })
  assert.equal(action?.hidden, true, 'parameters are not logged')
})

test('PowerShell is that of the system; the policy is for Windows', async () => {
  const step = script({ source: 'Get-Item .', executionPolicy: 'Bypass' })
  const linux = await command(step)
  assert.deepEqual(linux.action?.argv, ['pwsh', '-NoLogo', '-NonInteractive', '-NoProfile', '-File', ''])
  assert.equal(linux.action?.script?.name, 'script.ps1')
  const windows = await command(step, { facts: { platform: 'windows' } })
  assert.deepEqual(windows.action?.argv.slice(0, 6), [
    ...['powershell.exe', '-NoLogo', '-NonInteractive', '-NoProfile', '-ExecutionPolicy', 'Bypass'],
  ])
})

test('a script of a package: its path stays inside; success codes and output', async () => {
  const of = (path: string, more: object = {}) =>
    script({ interpreter: 'sh', package: PackageId.parse('ABC00001'), script: path, ...more })
  const inside = await command(of('.\\%Folder%\\run.sh', { successCodes: [7], outputTo: 'Out' }), {
    outcome: () => ({ kind: 'exited', exitCode: 7, output: 'done\n' }),
  })
  assert.deepEqual(inside.action?.argv, ['sh', '/run/ABC00001/sub/run.sh'])
  assert.equal(inside.action?.workingDirectory, '/run/ABC00001')
  assert.deepEqual([inside.result.kind, variableOf(inside.state, 'Out')], ['success', 'done'])
  for (const path of ['../other', '/etc/passwd', 'C:\\x', 'a/../../b'])
    assert.equal((await command(of(path))).result.kind, 'failure', path)
})

test('dynamic variables: the facts first, then every rule that holds, in order', async () => {
  const step: SequenceNode = {
    ...{ type: 'setDynamicVariables', name: 'Rules' },
    rules: [
      { variables: [{ variable: 'Always', value: '%_SMSTSUUID%' }] },
      { when: { make: 'LODE*', model: '*1?' }, variables: [{ variable: 'Driver', value: 'l14' }] },
      { when: { make: 'Lode*', model: 'Other' }, variables: [{ variable: 'Driver', value: 'other' }] },
      { when: { computer: { macAddress: '0a-00-27-00-00-01' } }, variables: [{ variable: 'Mine', value: '1' }] },
      { when: { computer: { serialNumber: 'X', assetTag: 'Y' } }, variables: [{ variable: 'Not', value: '1' }] },
      { when: { defaultGateway: ['10.0.0.1'] }, variables: [{ variable: 'Site', value: 'A', hidden: true }] },
      {
        when: { variable: 'Site', operator: 'equals', value: 'A' },
        variables: [{ variable: 'Copy', value: 'x%Site%' }],
      },
    ],
  }
  const { state, host } = await wholeRun(sequenceOf([step]), {
    machine: { uuid: 'U-1', macAddresses: ['0A:00:27:00:00:01'], defaultGateways: ['10.0.0.1'] },
  })
  const values = ['Always', 'Driver', 'Mine', 'Not', 'Site', 'Copy', '_SMSTSMacAddresses'].map((name) =>
    variableOf(state, name),
  )
  assert.deepEqual(values, ['U-1', 'l14', '1', undefined, 'A', 'xA', '0A:00:27:00:00:01'])
  const told = host.journal.flatMap((entry) => (entry.kind === 'variableSet' ? [`${entry.name}=${entry.value}`] : []))
  assert.deepEqual(told.slice(-2), ['Site=********', 'Copy=********'], 'what is made of a hidden value is hidden')
})

test('readiness: what the device cannot tell is not met, and each check has its variable', async () => {
  const step: SequenceNode = {
    ...{ type: 'checkReadiness', name: 'Ready', minimumAgentVersion: '0.1', language: 'sv', acPower: true },
    ...{ network: 'wired', uefi: true, tpm: 'activated' },
  }
  const machine = { onAcPower: true, network: 'wireless', uefi: true, tpm: 'enabled' } as const
  const { result, state } = await wholeRun(sequenceOf([step]), { machine, facts: { language: 'sv-SE' } })
  const told = ['CLIENTMINVER', 'OSLANGUAGE', 'ACPOWER', 'NETWORK', 'WIRED', 'UEFI', 'TPMACTIVATED', 'MEMORY'].map(
    (name) => variableOf(state, `_TS_CR${name}`),
  )
  assert.deepEqual(told, ['1', '1', '1', '1', '0', '1', '0', undefined])
  assert.ok(result.kind === 'failure')
  assert.match(result.problem.detail, /not wireless: wireless \(not met\).*TPM activated: enabled \(not met\)/)
})

test('download to a path of one’s own: a copy named after the package', async () => {
  const step: SequenceNode = {
    ...{ type: 'downloadPackageContent', name: 'Get', packages: [PackageId.parse('ABC00001')], saveAs: 'My' },
    destination: { path: '/data/%Folder%/' },
  }
  const run = await wholeRun(sequenceOf([step], { variables: [{ variable: 'Folder', value: 'x' }] }))
  assert.deepEqual(run.host.placed, ['/run/ABC00001 → /data/x/ABC00001'])
  assert.equal(variableOf(run.state, 'My01'), '/data/x/ABC00001')
  const without = await wholeRun(sequenceOf([step]), { contentProblem: () => someProblem })
  assert.equal(without.result.kind, 'failure')
})
