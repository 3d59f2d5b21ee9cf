/** A device of the benchmark, from the outside: see `device-child.ts`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AdminClient, DeploymentId, DeviceId, PackageId, Sha256 } from '@sluice/protocol'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { unitEnvironments } from './unit-environments.ts'

export type DeviceQuestion =
  | { accept: DeploymentId }
  | { download: PackageId; keep: boolean; remembered: boolean; files?: readonly string[] | undefined }
  | { remember: PackageId }
  | { sign: PackageId; packs: Sha256[] }
  | { peak: true }

export interface SignedPacks {
  /** One for each pack that belongs to the content. */
  urls: string[]
  keyFile: string
  certificateFile: string
  authorityFile: string
}

export interface DeviceAnswer {
  milliseconds: number
  fetchedBytes: number
  /** Folder of the content; gone unless it was to be kept. */
  content: string
  /** Of the whole process so far. */
  cpuMilliseconds: number
  /** Largest resident memory of the process so far. */
  peakBytes: number
}

export interface DownloadHow {
  keep: boolean
  remembered: boolean
  /** Patterns of the files that are wanted; all unless given. */
  files?: readonly string[]
}

export interface BenchDevice {
  id: DeviceId
  accept(deployment: DeploymentId): Promise<void>
  /** Downloads a content and keeps it: `remembered` downloads begin with all that was. */
  remember(packageId: PackageId): Promise<void>
  /** The cache is empty, or holds what was remembered. The content is removed unless it shall be kept. */
  download(packageId: PackageId, how?: DownloadHow | boolean): Promise<DeviceAnswer>
  sign(packageId: PackageId, packs: Sha256[]): Promise<SignedPacks>
  /** Largest resident memory of the process so far. */
  peakBytes(): Promise<number>
}

/** As the unit in `docs/setup.md` starts an agent. */
const flags = ['--max-semi-space-size=2', '--max-heap-size=160']
const script = fileURLToPath(new URL('./device-child.ts', import.meta.url))

/**
 * Starts the device, waits until it is enrolled, and starts it anew: from then on its code is kept compiled, as in
 * life after the first start. @param prefix words before its command, that say where it lives
 */
export async function startBenchDevice(options: {
  folder: string
  name: string
  prefix: readonly string[]
  admin: AdminClient
  resources: AsyncDisposableStack
}): Promise<BenchDevice> {
  const { folder, name, prefix, admin, resources } = options
  await mkdir(folder, { recursive: true })
  const { bundle } = must(await admin.call('createDeviceToken', { body: {} }))
  await writeFile(join(folder, 'enrolment.json'), JSON.stringify(bundle), { mode: 0o600 })
  const configuration = join(folder, 'agent.json')
  const facts = { hostname: name, serialNumber: name }
  await writeFile(configuration, JSON.stringify({ stateFolder: 'state', enrolmentBundle: 'enrolment.json', facts }), {
    mode: 0o600,
  })
  const start = () => startChild([...prefix, process.execPath, ...flags, script, configuration], folder, resources)
  const first = await start()
  const { id } = await until(
    async () =>
      must(await admin.call('devices')).items.find(
        (one) => one.state === 'approved' && one.lastSeenAt && one.facts.serialNumber === name,
      ),
    `the device to enrol; its log is ${join(folder, 'agent.log')}`,
  )
  await first.end()
  const { ask } = await start()
  return {
    id,
    accept: async (deployment) => void (await ask({ accept: deployment })),
    remember: async (packageId) => void (await ask({ remember: packageId })),
    download: async (packageId, how = false) => {
      const asked = typeof how === 'boolean' ? { keep: how, remembered: false } : how
      return (await ask({ download: packageId, ...asked })) as DeviceAnswer
    },
    peakBytes: async () => ((await ask({ peak: true })) as { peakBytes: number }).peakBytes,
    sign: async (packageId, packs) => (await ask({ sign: packageId, packs })) as SignedPacks,
  }
}

/** The process of a device, ready for questions. */
async function startChild(words: readonly string[], folder: string, resources: AsyncDisposableStack) {
  const logFile = join(folder, 'agent.log')
  const child = spawn(words[0] ?? '', words.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...unitEnvironments.agent, NODE_COMPILE_CACHE: join(folder, 'compile-cache') },
  })
  child.stderr.pipe(createWriteStream(logFile, { flags: 'a', mode: 0o600 }))
  resources.defer(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`the device ended; its log is ${logFile}`)
    const said: unknown = JSON.parse(value)
    if (typeof said === 'object' && said !== null && 'error' in said) throw new Error(String(said.error))
    return said
  }
  await next()
  return {
    ask(question: DeviceQuestion) {
      child.stdin.write(`${JSON.stringify(question)}\n`)
      return next()
    },
    async end() {
      child.stdin.end()
      await ended
    },
  }
}
