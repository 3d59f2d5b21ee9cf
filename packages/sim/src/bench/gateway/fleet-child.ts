/**
 * Many devices in one process: each with a key, a certificate and an address of its own, and just as much of the
 * agent's protocol as an idle one speaks. Told what to do by messages of its parent: see `fleet.ts`.
 */
import 'reflect-metadata'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { DeploymentId, devicePath, EnrolmentAnswer, PolicyAnswer, PolicyHead } from '@sluice/protocol'
import type { Acknowledged, EnrolOrder, FleetOrder, PollFigures, PollOrder } from './fleet.ts'
import { type LeanConnection, openLean } from './lean-connection.ts'

/** Devices behind one address. */
const NEIGHBOURS = 100
/** As the agent's: `agent/src/policy/notices.ts` and `agent/src/backoff.ts`. */
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const agent = { version: '0.1.0', capabilities: ['frames/1'] }
const factsOf = (name: string) => ({
  ...{ hostname: name, platform: 'linux', architecture: 'x64', manufacturer: 'Bench', model: 'Lean' },
  ...{ serialNumber: name, os: { id: 'debian', name: 'Debian GNU/Linux 12', version: '12' } },
  ...{ memoryBytes: 2 ** 33, processorMHz: 2000 },
})

interface Lean {
  id: string
  name: string
  localAddress: string
  context: SecureContext
  knownBodyHash?: string
  listening: boolean
}

const devices: Lean[] = []
let deviceDoor = { host: '127.0.0.1', port: 0 }
const connection = ({ localAddress, context }: Lean) => openLean({ ...deviceDoor, localAddress, context })

async function enrol({ group, count, authority, token, enrolmentPort, devicePort }: EnrolOrder): Promise<string[]> {
  deviceDoor = { ...deviceDoor, port: devicePort }
  const first = devices.length
  const enrolGroup = async (from: number) => {
    const localAddress = `127.${group + 1}.${Math.floor(from / NEIGHBOURS / 250)}.${1 + (Math.floor(from / NEIGHBOURS) % 250)}`
    const context = createSecureContext({ ca: authority })
    const door = await openLean({ host: '127.0.0.1', port: enrolmentPort, localAddress, context })
    for (let i = from; i < Math.min(from + NEIGHBOURS, first + count); i++) {
      const name = `bench-${group}-${i}`
      const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const csr = (await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm })).toString(
        'pem',
      )
      const sealKey = randomBytes(32).toString('base64')
      const request = JSON.stringify({ token, csr, sealKey, facts: factsOf(name), agent })
      const { status, body } = await door.ask('POST', devicePath('enrol'), request)
      if (status !== 200) throw new Error(`enrolment answered ${status}: ${body.toString().slice(0, 300)}`)
      const answer = EnrolmentAnswer.parse(JSON.parse(body.toString()))
      if (answer.state !== 'approved') throw new Error(`${name} is ${answer.state}`)
      const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
      const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`
      const own = createSecureContext({ ca: authority, cert: answer.certificate, key })
      devices.push({ id: answer.deviceId, name, localAddress, context: own, listening: false })
    }
    door.close()
  }
  const starts = Array.from({ length: Math.ceil(count / NEIGHBOURS) }, (_, i) => first + i * NEIGHBOURS)
  await inParallel(starts, 8, enrolGroup)
  return devices.slice(first).map(({ id }) => id)
}

/** Listens for notices as the agent does, and comes back as it does. */
async function listenForever(device: Lean): Promise<never> {
  for (let failures = 0; ; ) {
    try {
      const open = await connection(device)
      const status = await open.listen(devicePath('notify'))
      if (status !== 200) throw new Error(`notify answered ${status}`)
      device.listening = true
      failures = 0
      await open.closed
    } catch {
      failures++
    }
    device.listening = false
    const full = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures)
    await sleep(full / 2 + (Math.random() * full) / 2)
  }
}

function pollBody({ name, knownBodyHash }: Lean, nonce: string): string {
  return JSON.stringify({
    nonce,
    ...(knownBodyHash === undefined ? {} : { knownBodyHash }),
    facts: factsOf(name),
    agent,
  })
}

/** Reads the head of an answer: it must be the one to this question. */
function remember(device: Lean, body: Buffer, nonce: string): void {
  const { head } = PolicyAnswer.parse(JSON.parse(body.toString()))
  const read = PolicyHead.parse(JSON.parse(Buffer.from(head.payload, 'base64').toString()))
  if (read.nonce !== nonce || read.deviceId !== device.id) throw new Error('the answer is to another question')
  device.knownBodyHash = read.bodyHash
}

/** So many devices ask for policy, each again as soon as it has its answer. */
async function poll({ asking, warmMs, measureMs }: PollOrder): Promise<PollFigures> {
  const askers = await Promise.all(
    devices.slice(0, asking).map(async (device) => ({ device, open: await connection(device) })),
  )
  const begin = performance.now() + warmMs
  const end = begin + measureMs
  const used = process.cpuUsage()
  const latencies: number[] = []
  let answers = 0
  let failures = 0
  const askOn = async ({ device, open }: { device: Lean; open: LeanConnection }) => {
    for (let i = 0; ; i++) {
      const asked = performance.now()
      if (asked >= end) return open.close()
      const nonce = randomBytes(16).toString('base64url')
      const { status, body } = await open.ask('POST', devicePath('policy'), pollBody(device, nonce))
      const now = performance.now()
      answers++
      if (status !== 200) failures++
      // One of fifty is read whole; all of them would measure the reader.
      else if (i % 50 === 0) remember(device, body, nonce)
      if (now >= begin && now < end) latencies.push(now - asked)
    }
  }
  await Promise.all(askers.map(askOn))
  latencies.sort((a, b) => a - b)
  const quantile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
  return {
    answers,
    cpuMs: cpuMsSince(used),
    perSecond: (latencies.length * 1000) / measureMs,
    medianMs: quantile(0.5),
    p99Ms: quantile(0.99),
    failures,
  }
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Status messages: each is sent until it is acknowledged, then the next. */
const reporting = { on: false, done: Promise.resolve<Acknowledged[]>([]) }
const bootId = `bench-${process.pid}`
const someDeployment = DeploymentId.parse('dep_00000000000000000000')

async function report(device: Lean, everyMs: number): Promise<Acknowledged> {
  let acknowledged = 0
  let open: LeanConnection | undefined
  await sleep(Math.random() * everyMs)
  for (let failures = 0; reporting.on; ) {
    const event = { kind: 'deploymentEvaluated', deploymentId: someDeployment, revision: 1, refusals: [] }
    const message = { bootId, seq: acknowledged + 1, at: new Date().toISOString(), event }
    try {
      open ??= await connection(device)
      const { status, body } = await open.ask('POST', devicePath('status'), JSON.stringify({ messages: [message] }))
      if (status === 400) throw Object.assign(new Error(body.toString()), { fatal: true })
      if (status !== 200) throw new Error(`status answered ${status}`)
      acknowledged++
      failures = 0
      await sleep(everyMs)
    } catch (error) {
      if (error instanceof Error && 'fatal' in error) throw error
      open?.close()
      open = undefined
      failures++
      const full = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures)
      await sleep(full / 2 + (Math.random() * full) / 2)
    }
  }
  open?.close()
  return { deviceId: device.id, bootId, acknowledged }
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items]
  const one = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) await work(next)
  }
  await Promise.all(Array.from({ length: width }, one))
}

async function obey(order: FleetOrder): Promise<unknown> {
  switch (order.kind) {
    case 'enrol':
      return await enrol(order)
    case 'listen':
      for (const device of devices) {
        void listenForever(device)
        // A fleet does not come all at once either.
        await sleep(order.betweenMs)
      }
      return undefined
    case 'listening':
      return devices.filter(({ listening }) => listening).length
    case 'poll':
      return await poll(order)
    case 'report':
      reporting.on = true
      reporting.done = Promise.all(devices.map((device) => report(device, order.everyMs)))
      return undefined
    case 'acknowledged':
      reporting.on = false
      return await reporting.done
  }
}

process.on('message', ({ number, order }: { number: number; order: FleetOrder }) => {
  obey(order).then(
    (value) => process.send?.({ number, value }),
    (error: unknown) => process.send?.({ number, error: error instanceof Error ? error.stack : String(error) }),
  )
})
process.once('disconnect', () => process.exit())
