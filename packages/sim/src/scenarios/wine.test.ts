/**
 * The agent for Windows, under Wine: it enrols with a real site through a real gateway, fetches a package when a step
 * needs it, runs the command interpreter of Windows in a job, is killed in the middle of a step, and tells the end.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PackageId } from '@sluice/protocol'
import { deployTo, distribute, importPackage, must } from '../administrator.ts'
import { createSoftwareCenter } from '../device/software-center.ts'
import { startLine } from '../line.ts'
import { linePorts } from '../ports.ts'
import { until } from '../until.ts'
import { killAgent, missingForWine, startWineDevice, windowsPath } from '../wine/wine-device.ts'

const WAIT_MS = 240_000
const ID = 'WIN00001' as PackageId

const steps = `
  - type: setVariable
    name: Set
    variable: Greeting
    value: hello there
  - type: runCommandLine
    name: Own code
    class: once
    commandLine: cmd.exe /c "echo own %Greeting%>>""%Effects%"" & exit 7"
    successCodes: [7]
  - type: downloadPackageContent
    name: Fetch
    packages: [${ID}]
  - type: runCommandLine
    name: Use
    class: once
    package: ${ID}
    commandLine: cmd.exe /c tools\\use.cmd "%Effects%"
  - type: runCommandLine
    name: Slow
    class: once
    commandLine: cmd.exe /c "echo begun>>""%Effects%"" & ping -n 9 127.0.0.1>nul & echo ended>>""%Effects%"""
  - type: runCommandLine
    name: Too long
    class: once
    continueOnError: true
    commandLine: cmd.exe /c "ping -n 60 127.0.0.1>nul & echo never>>""%Effects%"""
    timeoutMinutes: 0.05
  - type: runCommandLine
    name: As another
    class: once
    continueOnError: true
    commandLine: cmd.exe /c "echo as another>>""%Effects%"""
    runAs: { account: wine, secret: Runner }
  - type: runCommandLine
    name: Last
    class: once
    commandLine: cmd.exe /c "echo last>>""%Effects%"""
`

// Not there at all where there is no Wine: build machines have none that is new enough.
const run = missingForWine() === undefined ? test : () => {}

run('under Wine: enrolled, fetched on demand, killed in a step, gone on, reported', async () => {
  await using resources = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wine-'))
  resources.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
  const device = startWineDevice(join(folder, 'computer'))
  resources.defer(() => device.powerOff())

  const sources = join(folder, 'sources')
  mkdirSync(join(sources, 'win/tools'), { recursive: true })
  writeFileSync(join(sources, 'win/data.txt'), 'from the package\r\n')
  // The step begins in the folder of the package.
  writeFileSync(join(sources, 'win/tools/use.cmd'), '@type data.txt>>%1\r\n')
  const line = await startLine({ folder: join(folder, 'line'), ports: await linePorts(0), resources })
  const source = { id: ID, name: 'Tools', kind: 'package', target: 'windows', folder: 'win' } as const
  await importPackage(line.admin, source, sources)
  await distribute(line.admin, line.gatewayId, [ID])
  const text = `format: sluice-sequence/1\nname: Windows\ninputs:\n  - variable: Effects\nsteps:${steps}`
  must(await line.admin.call('applySequence', { body: { fileName: 'windows.yaml', text } }))

  must(await line.admin.call('setSecret', { id: 'Runner', body: { value: 'not a word of anybody' } }))

  const home = join(folder, 'agent')
  mkdirSync(home)
  const { bundle } = must(await line.admin.call('createDeviceToken', { body: {} }))
  writeFileSync(join(home, 'enrolment.json'), JSON.stringify(bundle))
  const configuration = join(home, 'agent.json')
  writeFileSync(configuration, JSON.stringify({ stateFolder: 'state', enrolmentBundle: 'enrolment.json' }))
  let agent = device.startAgent(configuration)
  const logged = () => readFileSync(join(folder, 'computer/agent.log'), 'utf8').slice(-3000)
  const wait = async <T>(look: () => Promise<T | undefined | false>, what: string): Promise<T> =>
    await until(look, what, WAIT_MS).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : error}\n${logged()}`)
    })
  const known = await wait(
    async () =>
      must(await line.admin.call('devices')).items.find(({ state, lastSeenAt }) => state === 'approved' && lastSeenAt),
    'the device',
  )
  assert.equal(known.facts.platform, 'windows')
  assert.match(known.facts.os.name, /Windows/)

  const effects = join(folder, 'effects.txt')
  const settings = { inputs: { Effects: windowsPath(effects) } }
  const { id } = await deployTo(line.admin, [known.id], 'Windows', settings)
  const center = createSoftwareCenter(join(home, 'state'))
  await wait(async () => {
    await center.syncPolicy()
    return (await center.state())?.items.some((item) => item.deploymentId === id)
  }, 'the deployment')
  must(await center.install(id))
  const happened = () => {
    try {
      return readFileSync(effects, 'utf8')
        .split(/\r?\n/)
        .map((one) => one.trim())
        .filter((one) => one !== '')
    } catch {
      return []
    }
  }
  await wait(async () => happened().includes('begun'), 'the slow step')
  await killAgent(agent)
  agent = device.startAgent(configuration)
  const report = await wait(
    async () => (await center.state())?.items.find((item) => item.deploymentId === id)?.lastReport,
    'the report',
  )
  assert.deepEqual(happened(), ['own hello there', 'from the package', 'begun', 'ended', 'last'])
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.deepEqual(
    report.steps.map(({ name, outcome }) => `${name}: ${outcome}`),
    [
      ...['Set: succeeded', 'Own code: succeeded', 'Fetch: succeeded', 'Use: succeeded', 'Slow: succeeded'],
      ...['Too long: failedContinued', 'As another: failedContinued', 'Last: succeeded'],
    ],
  )
  const [secret] = must(await line.admin.call('secrets'))
  assert.equal(secret?.reveals, 1, 'the password went to the one step that needs it')
  // Wine lets everybody log on and gives no token for it: this is as far as a step comes there.
  const refused = report.steps.find(({ name }) => name === 'As another')?.problem
  assert.match(refused?.detail ?? '', /CreateProcessAsUser/)
})
