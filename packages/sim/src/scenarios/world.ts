/**
 * A small world for one scenario: site, gateway, a wire with a rate, and one device with one
 * deployment. Every effect of a step is a line in a file of the device's root, so that what ran
 * twice or never can be counted.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type {
  DeploymentId,
  DeploymentSettings,
  DistributionPointId,
  PackageId,
  RunProgress,
  RunReport,
} from '@sluice/protocol'
import { deployTo, distribute, importPackage, must, type PackageSource } from '../administrator.ts'
import { seededBytes } from '../demo/seeded-bytes.ts'
import { type ManagedDevice, shown, startManagedDevice } from '../device/managed-device.ts'
import { type Line, startLine } from '../line.ts'
import { linePorts } from '../ports.ts'
import { type SlowWire, startSlowWire } from '../slow-wire.ts'
import { until } from '../until.ts'

export interface World {
  /** Everything that site, gateway and device keep is below it. */
  folder: string
  line: Line
  wire: SlowWire
  device: ManagedDevice
  deploymentId: DeploymentId
  /** The user's click. */
  install(): Promise<void>
  /** What the run shows now; undefined while the agent is away. */
  progress(): Promise<RunProgress | undefined>
  /** Waits for the report of the run. */
  finished(): Promise<RunReport>
  /** A `heldStep` of that name ends, now or when it comes to it. */
  letGo(name: string): Promise<void>
  /** Lines that the steps have written, in order. */
  effects(): Promise<string[]>
}

/** A package of one file that does not compress. */
export const scenarioPackage = (n: number): PackageSource => ({
  id: `SCN0000${n}` as PackageId,
  name: `Content ${n}`,
  kind: 'package',
  target: 'linux',
  folder: `content-${n}`,
})

/** A step that leaves a line in the file of effects, and may be run only once. */
export const effectStep = (name: string, seconds = 0) => `
  - type: runCommandLine
    name: ${name}
    class: once
    commandLine: sh -c 'sleep ${seconds}; echo ${name} >> "$1/effects"' sh "%OSRoot%"`

/** Like `effectStep`; it ends when the test lets it go, however slow the machine is. Each run is let go by itself. */
export const heldStep = (name: string) => `
  - type: runCommandLine
    name: ${name}
    class: once
    commandLine: sh -c 'until [ -e "$1/${goOn(name)}" ]; do sleep 0.05; done; rm "$1/${goOn(name)}"; echo ${name} >> "$1/effects"' sh "%OSRoot%"`

const goOn = (name: string) => `go-on-${name}`

/** A step that needs the content of a package, and leaves a line with the first hash of its file. */
export const contentStep = (n: number) => `
  - type: runCommandLine
    name: content-${n}
    class: once
    package: ${scenarioPackage(n).id}
    commandLine: sh -c 'sha256sum content.bin | cut -c1-16 >> "$1/effects"' sh "%OSRoot%"`

export const restartStep = (name: string) => `
  - type: restartComputer
    name: ${name}
    timeoutSeconds: 0`

/**
 * @param options.steps YAML of the steps, as the functions above make them
 * @param options.packages how many packages of `packageBytes` there are
 */
export async function startWorld(options: {
  resources: AsyncDisposableStack
  steps: string
  packages: number
  packageBytes: number
  bytesPerSecond: number
  settings?: Partial<DeploymentSettings>
  /** Makes the points that the packages are sent to; the gateway's own folder unless said otherwise. */
  points?: (line: Line) => Promise<DistributionPointId[]>
}): Promise<World> {
  const { resources } = options
  const folder = await mkdtemp(join(tmpdir(), 'sluice-world-'))
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const sources = join(folder, 'sources')
  const packages = Array.from({ length: options.packages }, (_, i) => scenarioPackage(i + 1))
  for (const source of packages)
    await write(join(sources, source.folder, 'content.bin'), seededBytes(source.id, options.packageBytes))
  await write(join(folder, 'device/root/etc/os-release'), 'ID=test\nNAME="Test OS"\nVERSION_ID="1"\n')
  await write(join(folder, 'device/root/effects'), '')

  const ports = await linePorts(0)
  const wire = await startSlowWire(ports.device, options.bytesPerSecond)
  resources.defer(() => wire.close())
  const line = await startLine({ folder: join(folder, 'line'), ports, resources, advertisedPort: wire.port })
  for (const source of packages) await importPackage(line.admin, source, sources)
  const ids = packages.map(({ id }) => id)
  for (const point of (await options.points?.(line)) ?? [line.gatewayId]) await distribute(line.admin, point, ids)
  const text = `format: sluice-sequence/1\nname: Scenario\ninputs:\n  - variable: OSRoot\nsteps:${options.steps}\n`
  must(await line.admin.call('applySequence', { body: { fileName: 'scenario.yaml', text } }))
  const device = await startManagedDevice({
    folder: join(folder, 'device'),
    admin: line.admin,
    softwareCenterPort: 0,
    facts: { hostname: 'scenario', serialNumber: 'SCENARIO-1' },
    resources,
  })
  const { id: deploymentId } = await deployTo(line.admin, [device.id], 'Scenario', {
    ...options.settings,
    inputs: { OSRoot: device.osRoot, ...options.settings?.inputs },
  })
  await shown(device, deploymentId)
  return { folder, line, wire, device, deploymentId, ...runsOf(device, deploymentId) }
}

/** What the user of a device does and sees of one deployment. */
export function runsOf(
  device: ManagedDevice,
  deploymentId: DeploymentId,
): Pick<World, 'install' | 'progress' | 'finished' | 'effects' | 'letGo'> {
  // Of an earlier run, which is not the one that is waited for.
  let reportBefore: RunReport | undefined
  return {
    async install() {
      const state = await device.softwareCenter.state()
      reportBefore = state?.items.find((one) => one.deploymentId === deploymentId)?.lastReport
      must(await device.softwareCenter.install(deploymentId))
    },
    progress: async () => (await device.softwareCenter.state())?.run,
    finished: () =>
      until(async () => {
        const state = await device.softwareCenter.state()
        const ended = state?.run === undefined || state.run.phase === 'finished'
        const report = state?.items.find((one) => one.deploymentId === deploymentId)?.lastReport
        return ended && !isDeepStrictEqual(report, reportBefore) ? report : undefined
      }, `the end of the run; the agent's log is ${device.logPath}`),
    letGo: (name) => writeFile(join(device.osRoot, goOn(name)), ''),
    async effects() {
      return (await readFile(join(device.osRoot, 'effects'), 'utf8')).split('\n').filter((one) => one !== '')
    },
  }
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}
