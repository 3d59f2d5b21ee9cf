/**
 * A device of the line: enrolled with a single-use token, in namespaces of its own where the system
 * has them, with Software Center as its user sees it.
 */
import { access, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AdminClient, CenterItem, DeploymentId, DeviceFacts, DeviceId } from '@sluice/protocol'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { canIsolate, type Device, startDevice } from './device.ts'
import { createSoftwareCenter, type SoftwareCenter } from './software-center.ts'

export interface ManagedDevice {
  id: DeviceId
  /** The agent's own folder. */
  stateFolder: string
  osRoot: string
  logPath: string
  firmware: Device
  softwareCenter: SoftwareCenter
}

/**
 * Boots the device that lives in `folder` (its operating system in `folder/root`), and waits until it
 * is enrolled and has policy. A device that was there before goes on as what it was.
 * @param options.softwareCenterPort 0: any free one
 */
export async function startManagedDevice(options: {
  folder: string
  admin: AdminClient
  softwareCenterPort: number
  facts: Partial<DeviceFacts>
  resources: AsyncDisposableStack
  /** In namespaces of its own; where the system has them unless said otherwise. */
  isolated?: boolean
}): Promise<ManagedDevice> {
  const { folder, admin, resources, isolated = canIsolate() } = options
  const at = (name: string) => join(folder, name)
  await mkdir(folder, { recursive: true })
  if (!(await exists(at('enrolment.json')))) {
    const { bundle } = must(await admin.call('createDeviceToken', { body: {} }))
    await writeFile(at('enrolment.json'), JSON.stringify(bundle), { mode: 0o600 })
  }
  const configuration = {
    stateFolder: 'state',
    osRoot: 'root',
    enrolmentBundle: 'enrolment.json',
    organisation: 'Sluice demo',
    softwareCenter: { host: '127.0.0.1', port: options.softwareCenterPort },
    restart: { kind: 'exit', code: 194 },
    facts: options.facts,
    ...(isolated ? {} : { bootFile: 'boot' }),
  }
  await writeFile(at('agent.json'), JSON.stringify(configuration, null, 2), { mode: 0o600 })

  const logPath = at('agent.log')
  const firmware = startDevice({ configuration: at('agent.json'), logPath, isolated, bootFile: at('boot') })
  resources.defer(() => firmware.powerOff())
  const { id } = await until(
    async () =>
      must(await admin.call('devices')).items.find(
        (one) => one.state === 'approved' && one.lastSeenAt && one.facts.serialNumber === options.facts.serialNumber,
      ),
    `the device to enrol; its log is ${logPath}`,
  )
  const stateFolder = at('state')
  return { id, stateFolder, osRoot: at('root'), logPath, firmware, softwareCenter: createSoftwareCenter(stateFolder) }
}

/** Waits until Software Center shows a deployment, offered or refused. */
export async function shown(device: ManagedDevice, deploymentId: DeploymentId): Promise<CenterItem> {
  return until(async () => {
    const state = await device.softwareCenter.state()
    const item = state?.items.find((one) => one.deploymentId === deploymentId)
    if (state && !item) await device.softwareCenter.syncPolicy()
    return item
  }, `the deployment in Software Center; the agent's log is ${device.logPath}`)
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
