/**
 * The demo: an administrator's day in one function. Content is imported and distributed, the
 * sequence is applied, a device enrols with a single-use token and gets the deployment.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DeploymentId } from '@sluice/protocol'
import { deployTo, distribute, importPackage, must } from '../administrator.ts'
import { type ManagedDevice, shown, startManagedDevice } from '../device/managed-device.ts'
import { type Line, startLine } from '../line.ts'
import type { LinePorts } from '../ports.ts'
import { demoPackages, models, upgradeFolder, writeDemoSources } from './demo-content.ts'
import type { DemoFolder } from './demo-folder.ts'
import { buildPages } from './pages.ts'
import type { DemoSystem } from './system.ts'
import { bytes } from './words.ts'

const sequenceFile = fileURLToPath(new URL('./upgrade.yaml', import.meta.url))

export interface Demo {
  line: Line
  device: ManagedDevice
  deploymentId: DeploymentId
}

/** Brings everything up; a folder that is complete goes on where it was. */
export async function startDemo(options: {
  folder: DemoFolder
  ports: LinePorts
  system: DemoSystem
  /** Take all that is started. */
  resources: AsyncDisposableStack
  log: (line: string) => void
  /** The device gets namespaces of its own; where the system has them unless said otherwise. */
  isolated?: boolean
}): Promise<Demo> {
  const { folder, ports, system, resources, log } = options
  const at = (...names: string[]) => join(folder.path, ...names)
  const osRoot = at('device/root')

  await buildPages()
  if (!folder.complete) {
    log(system.introduction)
    await mkdir(at('device'), { recursive: true })
    await mkdir(at('sources'), { recursive: true })
    await system.prepare(osRoot, at('sources', upgradeFolder))
    await writeDemoSources(at('sources'))
  }
  const line = await startLine({ folder: at('line'), ports, resources, log })
  if (!folder.complete) await prepareSite(line, system, at('sources'), log)
  const device = await startManagedDevice({
    folder: at('device'),
    admin: line.admin,
    softwareCenterPort: ports.softwareCenter,
    facts: { hostname: 'demo-laptop', manufacturer: 'Northwind', model: models[1], serialNumber: 'DEMO-0001' },
    resources,
    ...(options.isolated === undefined ? {} : { isolated: options.isolated }),
  })
  const [known] = must(await line.admin.call('deployments'))
  const { id: deploymentId } =
    known ??
    (await deployTo(line.admin, [device.id], sequenceName(system), {
      contentOption: 'whenNeeded',
      inputs: { OSRoot: osRoot, Language: 'sv' },
    }))
  const item = await shown(device, deploymentId)
  if (item.state === 'refused')
    throw new Error(`Software Center refuses the deployment: ${item.refusals.map(({ code }) => code).join(', ')}`)
  await folder.markComplete(ports)
  log(`device ${device.id} is enrolled, and Software Center offers ${sequenceName(system)}`)
  return { line, device, deploymentId }
}

/** Imports, distributes, applies. */
async function prepareSite(
  line: Line,
  system: DemoSystem,
  sources: string,
  log: (line: string) => void,
): Promise<void> {
  const packages = demoPackages(system.target)
  for (const source of packages) {
    const info = await importPackage(line.admin, source, sources)
    log(`imported ${source.id} ${source.name}: ${info.fileCount} files, ${bytes(info.storedBytes)} stored`)
  }
  const ids = packages.map(({ id }) => id)
  await distribute(line.admin, line.gatewayId, ids)
  log('the gateway holds all of it, verified')
  // The same sequence for every system: only the name of the release differs.
  const text = (await readFile(sequenceFile, 'utf8')).replaceAll('MiniOS 2', system.target)
  must(await line.admin.call('applySequence', { body: { fileName: 'upgrade.yaml', text } }))
}

const sequenceName = (system: DemoSystem) => `Upgrade to ${system.target}`
