/** The page of variables against a run in which everything that sets one happens. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DeploymentId, DeploymentSettings, SequenceId, type SequenceNode } from '@sluice/protocol'
import { ManualHost, sequenceOf } from '../testing/index.ts'
import { flatten } from './flatten.ts'
import { advance } from './run.ts'
import type { RunState } from './run-state.ts'
import { startRun } from './start.ts'

const page = readFileSync(new URL('../../../../docs/sequences.md', import.meta.url), 'utf8')

/** Names in the first column of the table behind *Set by Sluice*. */
function documented(): Set<string> {
  const [, behind = ''] = page.split('Set by Sluice;')
  const rows = behind.split('\n').filter((line) => line.startsWith('| `'))
  const end = behind.indexOf('Not set, since')
  assert.ok(end > 0)
  const table = rows.filter((row) => behind.indexOf(row) < end)
  return new Set(
    table.flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name ?? '')),
  )
}

const steps = [
  {
    ...{ type: 'checkReadiness', name: 'Ready', minimumMemoryMB: 1, minimumProcessorMHz: 1, minimumFreeDiskMB: 1 },
    ...{
      architecture: 'x64',
      osType: 'client',
      minimumOsVersion: '1',
      maximumOsVersion: '99999',
      minimumAgentVersion: '0',
    },
    ...{ language: 'en', acPower: true, network: 'wired', uefi: true, tpm: 'activated', continueOnError: true },
  },
  { type: 'setDynamicVariables', name: 'Facts', rules: [{ variables: [{ variable: 'A', value: '1' }] }] },
  { type: 'checkReadiness', name: 'TPM', tpm: 'enabled' },
  {
    ...{ type: 'group', name: 'Content' },
    steps: [{ type: 'downloadPackageContent', name: 'Get', packages: ['EXA00001'] }],
  },
  {
    ...{ type: 'installApplication', name: 'Install' },
    applications: [
      { name: 'One', install: 'x', detect: { variable: '_SMSTSCurrentApplication', operator: 'equals', value: 'One' } },
    ],
  },
  { type: 'upgradeOperatingSystem', name: 'Upgrade', package: 'EXA00001', continueOnError: true },
] as unknown as SequenceNode[]

test('every variable of the page is set in a run, and every one that a run sets is on the page', async () => {
  const host = new ManualHost({
    facts: { manufacturer: 'M', model: 'O', serialNumber: 'S' },
    machine: {
      ...{ assetTag: 'A', uuid: 'U', macAddresses: ['m'], ipAddresses: ['i'], defaultGateways: ['g'], timeZone: 'z' },
      ...{ uefi: true, secureBoot: true, tpm: 'activated', onAcPower: true, network: 'wired' },
    },
  })
  const sequence = sequenceOf(steps)
  const table = flatten(sequence)
  const started = startRun({
    ...{ sequence, table, undeclaredInputs: 'allow', startedBy: 'user', logPath: '/log', at: 0 },
    sequenceId: SequenceId.parse('seq_0000000000'),
    deploymentId: DeploymentId.parse('dep_0000000000'),
    settings: DeploymentSettings.parse({}),
    facts: await host.facts(),
    machine: await host.machine(),
    device: { id: 'dev', site: 'site', organization: 'Org', dataPath: '/runs', cachePath: '/cache' },
  })
  assert.ok(started.ok)
  const seen = new Map<string, string>()
  const commit = host.commit.bind(host)
  const look = ({ variables }: RunState): void => {
    for (const { name } of Object.values(variables)) seen.set(name.toLowerCase(), name)
  }
  look(started.value.state)
  host.commit = async (state, entries) => {
    look(state)
    await commit(state, entries)
  }
  let { state } = started.value
  for (let calls = 0; calls < 10 && state.phase.kind !== 'finished'; calls++) {
    ;({ state } = await advance({ table, state, host, stop: new AbortController().signal }))
    host.reboot()
  }
  assert.equal(state.phase.kind, 'finished')

  const onPage = documented()
  assert.ok(onPage.size > 50)
  const never = [...onPage].filter((name) => !seen.has(name.toLowerCase()))
  assert.deepEqual(never, [], 'on the page, and never set')
  const untold = [...seen.values()].filter((name) => name.startsWith('_') && !onPage.has(name))
  assert.deepEqual(untold, [], 'set, and not on the page')
})
