/**
 * A device of the benchmark: the real agent, whose runs do nothing but download. One line of JSON in is
 * a question, one line out its answer.
 *
 *     device-child.ts CONFIGURATION   the agent's configuration file
 */
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type AcceptedDeployment, AgentConfig, createAgent, measureDownload, type RunParts } from '@sluice/agent'
import { type DeploymentId, failed, type PackageId, problem, type Sha256 } from '@sluice/protocol'
import { z } from 'zod'
import { must } from '../administrator.ts'
import { createSoftwareCenter } from '../device/software-center.ts'
import { until } from '../until.ts'
import type { DeviceAnswer, DeviceQuestion, SignedPacks } from './bench-device.ts'

/** Of what the agent keeps of itself. */
const Stored = z.object({ certificate: z.string(), site: z.object({ gatewayAuthority: z.string() }) })

const file = resolve(process.argv[2] ?? '')
const folder = dirname(file)
const written = AgentConfig.parse(JSON.parse(await readFile(file, 'utf8')))
const config: AgentConfig = {
  ...written,
  stateFolder: join(folder, written.stateFolder),
  osRoot: folder,
  enrolmentBundle: join(folder, written.enrolmentBundle),
}
let parts: RunParts | undefined
/** The newest last: rows deploy one after the other, and each asks for packages of its own. */
const accepted: AcceptedDeployment[] = []
const say = (message: string, fields?: Record<string, unknown>) =>
  void process.stderr.write(`${JSON.stringify({ message, ...fields })}\n`)

const agent = createAgent({
  config,
  createRuns(given) {
    parts = given
    const onlyRemembers = {
      // What is installed is only remembered: the questions below say what is done with it.
      start: async (deployment: AcceptedDeployment) => {
        accepted.push(deployment)
        return failed(problem('RUN_IN_PROGRESS', 'This device only measures.'))
      },
      progress: () => undefined,
      onProgress: () => () => {},
      lastReport: () => undefined,
      resume: async () => {},
      cancel: () => {},
      pauseByUser: () => failed(problem('NOT_FOUND', 'This device only measures.')),
      debug: () => {},
      keepPaused: () => {},
      consider: () => {},
      stop: async () => {},
    }
    return onlyRemembers
  },
  log: { debug() {}, info() {}, warn: say, error: say },
  random: Math.random,
  clock: Date.now,
  exit: () => {},
})
must(await agent.start())
const center = createSoftwareCenter(config.stateFolder)

async function accept(id: DeploymentId): Promise<void> {
  const before = accepted.length
  await until(async () => {
    const state = await center.state()
    if (state?.items.some((item) => item.deploymentId === id)) await center.install(id)
    else await center.syncPolicy()
    return accepted.length > before
  }, 'the deployment to come')
}

const deploymentOf = (packageId: PackageId) =>
  accepted.findLast(({ deployment }) => deployment.packages.some(({ id }) => id === packageId))

/** Where a device's cache and state lie that earlier downloads have filled. */
const memory = join(folder, 'remembered')

async function download({
  download: packageId,
  keep,
  remembered,
  files,
}: Extract<DeviceQuestion, { download: PackageId }>): Promise<DeviceAnswer> {
  const place = join(folder, 'download')
  await rm(place, { recursive: true, force: true })
  if (remembered) await cp(memory, place, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  const answer = await measure(packageId, place, files)
  if (!keep) await rm(place, { recursive: true, force: true })
  return answer
}

async function measure(packageId: PackageId, place: string, files?: readonly string[]): Promise<DeviceAnswer> {
  const deployed = deploymentOf(packageId)
  if (parts === undefined || deployed === undefined) throw new Error(`${packageId} is not deployed yet`)
  const {
    milliseconds,
    fetchedBytes,
    folder: content,
  } = await measureDownload(parts, deployed, packageId, place, files)
  const { user, system } = process.cpuUsage()
  return {
    milliseconds,
    fetchedBytes,
    content,
    cpuMilliseconds: (user + system) / 1000,
    peakBytes: peakBytes(),
  }
}

/** Addresses of packs, and what else another program needs to fetch them in this device's name. */
async function sign(packageId: PackageId, packs: Sha256[]): Promise<SignedPacks> {
  const pack = deploymentOf(packageId)?.deployment.packages.find(({ id }) => id === packageId)
  if (parts === undefined || pack === undefined) throw new Error('nothing is deployed yet')
  const { client } = parts
  const { contentId } = pack
  const { token } = must(await client.call('contentToken', { body: { contents: [contentId] } }))
  const objects = packs.map((hash) => ({ contentId, kind: 'pack' as const, hash }))
  const answered = must(await client.call('contentUrls', { body: { token, objects } }))
  const urls = answered.objects.flatMap((one) => ('url' in one ? [one.url] : []))
  const identity = Stored.parse(JSON.parse(await readFile(join(config.stateFolder, 'identity/identity.json'), 'utf8')))
  const files = { keyFile: join(folder, 'key.pem'), certificateFile: join(folder, 'certificate.pem') }
  const authorityFile = join(folder, 'authority.pem')
  await writeFile(files.keyFile, parts.keys.identityPem, { mode: 0o600 })
  await writeFile(files.certificateFile, identity.certificate)
  await writeFile(authorityFile, identity.site.gatewayAuthority)
  return { urls, ...files, authorityFile }
}

const peakBytes = () => process.resourceUsage().maxRSS * 1024

async function answer(
  question: DeviceQuestion,
): Promise<DeviceAnswer | SignedPacks | { peakBytes: number } | Record<string, never>> {
  if ('peak' in question) return { peakBytes: peakBytes() }
  if ('accept' in question) {
    await accept(question.accept)
    return {}
  }
  if ('sign' in question) return sign(question.sign, question.packs)
  if ('remember' in question) {
    await measure(question.remember, memory)
    // What that run counted is not the next one's.
    await rm(join(memory, 'run'), { recursive: true, force: true })
    return {}
  }
  return download(question)
}

process.stdout.write('{}\n')
for await (const line of createInterface({ input: process.stdin })) {
  const answered = await answer(JSON.parse(line) as DeviceQuestion).catch((error: unknown) => ({
    error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error),
  }))
  process.stdout.write(`${JSON.stringify(answered)}\n`)
}
await agent.stop()
