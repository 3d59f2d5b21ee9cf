/**
 * The agent of one device, put together.
 *
 * Owns: the order of starting and stopping. Everything else is owned by the parts.
 *
 *   A1. The state folder is held before anything in it is read, and freed after everything else ended.
 *   A2. A run that an earlier process left is taken up before anything else begins.
 *   A3. Software Center answers at once, also while the device is not enrolled or offline.
 *   A4. Stopping the agent never cancels a run: its runner is a process of its own.
 */
import { join } from 'node:path'
import {
  type CenterState,
  type DeploymentId,
  type DeviceId,
  failed,
  type InstallAnswer,
  ok,
  problem,
  type Result,
} from '@sluice/protocol'
import { type Center, startCenter } from './center/center.ts'
import { centerState } from './center/center-state.ts'
import type { AgentConfig } from './config.ts'
import { type EnrolledDevice, openEnrolledDevice } from './enrolled-device.ts'
import { createGatewayClient, type GatewayClient } from './gateway-client/gateway-client.ts'
import { readWayOut } from './gateway-client/way-out.ts'
import { type DeviceKeys, openDeviceKeys } from './identity/device-keys.ts'
import { type EnrolmentState, enrol, readBundle } from './identity/enrolment.ts'
import { type Identity, loadIdentity, storeIdentity } from './identity/identity.ts'
import type { Log } from './log.ts'
import type { Platform } from './platform/platform.ts'
import { createPlatform } from './platform/registry.ts'
import { createOutbox, type Outbox } from './report/outbox.ts'
import type { CreateRuns } from './run/runs.ts'
import { createSettings } from './state/settings.ts'
import { openState, type State } from './state/state.ts'

export interface AgentOptions {
  config: AgentConfig
  createRuns: CreateRuns
  log: Log
  /** From 0 to 1, as `Math.random`. */
  random: () => number
  /** Milliseconds since 1970. */
  clock: () => number
  /** Asks for an orderly end of the process with this exit code: a run wants the device restarted. */
  exit: (code: number) => void
}

/** What the agent says when it is up. */
export interface AgentReady {
  /** Address of Software Center, without the token. */
  softwareCenter: string
  deviceId: DeviceId | null
  state: 'enrolled' | 'enrolling'
}

export interface Agent {
  /**
   * Problems: `DATA_FOLDER_IN_USE`, `DATA_TOO_NEW`, `CONFIGURATION_INVALID`, `PORT_TAKEN`, `CATALOGUE_REFUSED`.
   * Nothing is left running then.
   */
  start(): Promise<Result<AgentReady>>
  /** Ends within seconds; may be called at any time, also twice. */
  stop(): Promise<void>
}

export function createAgent(options: AgentOptions): Agent {
  const stopping = new AbortController()
  const ending: Ending = []
  let started: Promise<Result<AgentReady>> | undefined

  /** In the reverse order of the start. */
  async function endAll(): Promise<void> {
    for (let end = ending.pop(); end !== undefined; end = ending.pop()) await end()
  }

  return {
    async start() {
      started ??= begin(options, ending, stopping.signal)
      const begun = await started
      if (!begun.ok) await endAll()
      return begun
    },
    async stop() {
      stopping.abort()
      // What is half started is ended as a whole; why it could not start is told by `start`.
      await started?.catch(() => {})
      await endAll()
    },
  }
}

type Ending = (() => Promise<void> | void)[]

interface Parts {
  state: State
  platform: Platform
  keys: DeviceKeys
  client: GatewayClient
  outbox: Outbox
  identityFolder: string
}

async function begin(options: AgentOptions, ending: Ending, signal: AbortSignal): Promise<Result<AgentReady>> {
  const { config, log, clock, exit } = options
  const { stateFolder, osRoot, facts, restart, bootFile } = config
  // A1
  const opened = await openState(stateFolder)
  if (!opened.ok) return opened
  const state = opened.value
  ending.push(() => state.close())
  const settings = createSettings(state)

  const platform = await createPlatform({ stateFolder, osRoot, facts, restart, bootFile, exit })
  const outbox = createOutbox({ state, bootId: platform.bootId, now: clock })
  if (state.setAside !== undefined) {
    const damaged = problem('STATE_DAMAGED', `It was kept as ${state.setAside}.`)
    log.error(damaged.title, { problem: damaged })
    outbox.enqueue({ kind: 'agentProblem', problem: damaged })
  }

  const identityFolder = join(stateFolder, 'identity')
  const keys = await openDeviceKeys(identityFolder)
  const identity = await loadIdentity(identityFolder, keys)
  const site = identity === undefined ? await readBundle(config.enrolmentBundle) : ok(identity.site)
  if (!site.ok) return site
  const wayOut = await readWayOut(config)
  if (!wayOut.ok) return wayOut
  const client = createGatewayClient({
    wayOut: wayOut.value,
    authority: site.value.gatewayAuthority,
    gateways: site.value.gateways,
    remembered: settings.get('gateway'),
    remember: (gatewayId) => settings.set('gateway', gatewayId),
  })
  ending.push(() => client.close())
  const parts: Parts = { state, platform, keys, client, outbox, identityFolder }

  let device: EnrolledDevice | undefined
  let center: Center | undefined
  const onChange = () => center?.changed()

  async function become(known: Identity): Promise<Result<EnrolledDevice>> {
    const trustFolder = join(stateFolder, 'trust')
    const became = await openEnrolledDevice({ ...options, ...parts, identity: known, trustFolder, onChange })
    if (!became.ok) return became
    ending.push(() => became.value.stop())
    // A2
    await became.value.runs.resume()
    device = became.value
    return became
  }

  if (identity !== undefined) {
    const became = await become(identity)
    if (!became.ok) return became
  }

  // A3
  const { hostname: name } = await platform.facts()
  const listening = await startCenter({
    ...config.softwareCenter,
    stateFolder,
    pageFolder: config.consoleFolder,
    settings,
    log,
    state: () => showState(device, { name, platform, client, organisation: config.organisation }),
    install: (id) => install(device, id),
    pause: (id, paused) =>
      device?.runs.pauseByUser(id, paused) ?? failed(problem('NOT_FOUND', `No run of ${id} goes on.`)),
    syncPolicy: () => device?.policy.sync(),
  })
  if (!listening.ok) return listening
  center = listening.value
  ending.push(() => listening.value.stop())

  if (device !== undefined) device.start()
  else {
    const enrolled = enrolInBackground(options, parts, become, signal)
    ending.push(() => enrolled)
  }
  return ok({
    softwareCenter: listening.value.url,
    deviceId: identity?.deviceId ?? null,
    state: identity === undefined ? 'enrolling' : 'enrolled',
  })
}

async function enrolInBackground(
  { config, log, random }: AgentOptions,
  { keys, client, platform, identityFolder }: Parts,
  become: (identity: Identity) => Promise<Result<EnrolledDevice>>,
  signal: AbortSignal,
): Promise<void> {
  const onState = (state: EnrolmentState) => log.info('enrolment', { state })
  const { organisationCertificate } = config
  const options = {
    bundlePath: config.enrolmentBundle,
    organisationCertificate,
    keys,
    client,
    platform,
    log,
    random,
    onState,
  }
  try {
    const identity = await enrol(options, signal)
    await storeIdentity(identityFolder, identity)
    log.info('this device is enrolled', { deviceId: identity.deviceId })
    const became = await become(identity)
    if (!became.ok) throw new Error(`what the site gave cannot be used: ${became.problem.detail}`)
    if (!signal.aborted) became.value.start()
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

interface Shown {
  name: string
  organisation: string
  platform: Platform
  client: GatewayClient
}

async function showState(device: EnrolledDevice | undefined, shown: Shown): Promise<CenterState> {
  const { name, organisation, platform, client } = shown
  return centerState({
    device: { name, os: await platform.osName() },
    organisation: device?.organization() ?? organisation,
    online: client.online(),
    policyAt: device?.policyAt(),
    deployments: device?.policy.deployments() ?? [],
    refusalsNow: device?.refusalsNow ?? (() => []),
    run: device?.runs.progress(),
    lastReport: (id) => device?.runs.lastReport(id),
  })
}

async function install(device: EnrolledDevice | undefined, id: DeploymentId): Promise<Result<InstallAnswer>> {
  const one = device?.policy.deployments().find(({ deployment }) => deployment.id === id)
  if (device === undefined || one === undefined)
    return failed(problem('NOT_FOUND', `This device has no deployment ${id}.`))
  const accepted = device.startable(one)
  return accepted.ok ? device.runs.start(accepted.value, 'user') : accepted
}
