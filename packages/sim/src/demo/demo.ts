/**
 * The demo: an administrator's day in one function. Content is imported and distributed, the
 * sequence is applied, a device enrols with a single-use token and gets the deployment.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AdminClient, DeploymentId, DeviceId, GatewayId } from '@sluice/protocol'
import { canIsolate, type Device, startDevice } from '../device/device.ts'
import { createSoftwareCenter, type SoftwareCenter, softwareCenterUrl } from '../device/software-center.ts'
import { distribute, jobDone, type Line, must, startLine } from '../line.ts'
import type { LinePorts } from '../ports.ts'
import { until } from '../until.ts'
import { demoPackages, models, upgradePackage, writeDemoSources } from './demo-content.ts'
import type { DemoFolder } from './demo-folder.ts'
import type { DemoSystem } from './system.ts'
import { bytes } from './words.ts'

const sequenceFile = fileURLToPath(new URL('./upgrade.yaml', import.meta.url))

export interface Demo {
  line: Line
  device: Device
  deploymentId: DeploymentId
  softwareCenter: SoftwareCenter
  /** Address of the page with its session token. */
  softwareCenterUrl(): Promise<string | undefined>
  osRoot: string
}

/** Brings everything up; a folder that is complete goes on where it was. */
export async function startDemo(options: {
  folder: DemoFolder
  ports: LinePorts
  system: DemoSystem
  /** Take all that is started. */
  resources: AsyncDisposableStack
  log: (line: string) => void
}): Promise<Demo> {
  const { folder, ports, system, resources, log } = options
  const at = (...names: string[]) => join(folder.path, ...names)
  const stateFolder = at('device/state')
  const osRoot = at('device/root')

  if (!folder.complete) {
    log(system.introduction)
    await mkdir(at('device'), { recursive: true })
    await mkdir(at('sources'), { recursive: true })
    await system.prepare(osRoot, at('sources', upgradePackage.folder))
    await writeDemoSources(at('sources'))
  }
  const line = await startLine({ folder: at('line'), ports, resources, log })
  const { admin } = line
  let deploymentId = must(await admin.call('deployments'))[0]?.id
  if (deploymentId === undefined) {
    await importContent(admin, line.gatewayId, at('sources'), log)
    must(await admin.call('applySequence', { body: await sequence(system) }))
  }
  await writeAgentConfiguration(at('device'), ports, admin)
  const device = startDevice({
    configuration: at('device/agent.json'),
    logPath: at('device/agent.log'),
    isolated: canIsolate(),
    bootFile: at('device/boot'),
  })
  resources.defer(() => device.powerOff())
  const deviceId = await enrolled(admin, at('device/agent.log'))
  deploymentId ??= await deploy(admin, deviceId, system, osRoot)
  const center = createSoftwareCenter(stateFolder)
  await offered(center, deploymentId)
  await folder.markComplete()
  log(`device ${deviceId} is enrolled and has the deployment`)
  return {
    line,
    device,
    deploymentId,
    osRoot,
    softwareCenter: center,
    softwareCenterUrl: () => softwareCenterUrl(stateFolder),
  }
}

async function importContent(
  admin: AdminClient,
  gatewayId: GatewayId,
  sources: string,
  log: (line: string) => void,
): Promise<void> {
  for (const { id, name, kind, target, folder } of demoPackages) {
    const body = { id, name, kind, target, folder: join(sources, folder) }
    await jobDone(admin, must(await admin.call('importPackage', { body })).jobId)
    const info = must(await admin.call('package', { id }))
    log(`imported ${id} ${name}: ${info.fileCount} files, ${bytes(info.storedBytes)} stored`)
  }
  await distribute(
    admin,
    gatewayId,
    demoPackages.map(({ id }) => id),
  )
  log('the gateway holds all of it, verified')
}

/** The demo's sequence, naming the release that this demo upgrades to. */
async function sequence(system: DemoSystem): Promise<{ fileName: string; text: string }> {
  const text = await readFile(sequenceFile, 'utf8')
  return { fileName: 'upgrade.yaml', text: text.replaceAll('MiniOS 2', system.target) }
}

async function writeAgentConfiguration(folder: string, ports: LinePorts, admin: AdminClient): Promise<void> {
  const path = join(folder, 'agent.json')
  const bundlePath = join(folder, 'enrolment.json')
  const known = await readFile(bundlePath).catch(() => undefined)
  if (known === undefined) {
    const { bundle } = must(await admin.call('createDeviceToken', { body: {} }))
    await writeFile(bundlePath, JSON.stringify(bundle), { mode: 0o600 })
  }
  const configuration = {
    stateFolder: 'state',
    osRoot: 'root',
    enrolmentBundle: 'enrolment.json',
    organisation: 'Sluice demo',
    softwareCenter: { host: '127.0.0.1', port: ports.softwareCenter },
    restart: { kind: 'exit', code: 194 },
    facts: {
      hostname: 'demo-laptop',
      manufacturer: 'Northwind',
      model: models[1],
      serialNumber: 'DEMO-0001',
    },
    ...(canIsolate() ? {} : { bootFile: 'boot' }),
  }
  await writeFile(path, JSON.stringify(configuration, null, 2), { mode: 0o600 })
}

async function enrolled(admin: AdminClient, agentLog: string): Promise<DeviceId> {
  const device = await until(
    async () => must(await admin.call('devices')).find((one) => one.state === 'approved' && one.lastSeenAt),
    `the device to enrol; its log is ${agentLog}`,
  )
  return device.id
}

async function deploy(
  admin: AdminClient,
  deviceId: DeviceId,
  system: DemoSystem,
  osRoot: string,
): Promise<DeploymentId> {
  const collection = must(await admin.call('createCollection', { body: { name: 'Demo devices' } }))
  must(await admin.call('setCollectionMembers', { id: collection.id, body: { members: [deviceId] } }))
  const made = must(
    await admin.call('createDeployment', {
      body: {
        sequence: `Upgrade to ${system.target}`,
        collection: collection.id,
        settings: { allowInternet: true, contentOption: 'whenNeeded', inputs: { OSRoot: osRoot, Language: 'sv' } },
      },
    }),
  )
  return made.id
}

/** Waits until Software Center offers the deployment. */
async function offered(center: SoftwareCenter, deploymentId: DeploymentId): Promise<void> {
  await until(async () => {
    const item = (await center.state())?.items.find((one) => one.deploymentId === deploymentId)
    if (item?.state === 'refused') throw new Error(`refused: ${item.refusals.map(({ code }) => code).join(', ')}`)
    if (!item) await center.syncPolicy()
    return item
  }, 'the deployment in Software Center')
}
