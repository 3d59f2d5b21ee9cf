/** Measures the rows: each with a site, a gateway and a fleet of its own. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DeviceId, PackageId } from '@sluice/protocol'
import { deployTo, distribute, importPackage, linkUp, must } from '../../administrator.ts'
import { seededBytes } from '../../demo/seeded-bytes.ts'
import { type Line, startLine } from '../../line.ts'
import { linePorts } from '../../ports.ts'
import { until } from '../../until.ts'
import { median } from '../rows.ts'
import { unitEnvironments } from '../unit-environments.ts'
import { type Acknowledged, type Fleet, type PollFigures, startFleet } from './fleet.ts'
import { type GatewayRow, gatewayRow } from './rows.ts'

const MiB = 1024 * 1024
const IDLE_AGENTS = 10_000
const RESTART_AGENTS = 2_000
/** Devices that ask for policy at once. */
const ASKING = 320
const WARM_MS = 3_000
const MEASURE_MS = 8_000
const P99_MS = 200
/** Between site and gateway: half of the round trip, and 1 Gbit/s. */
const ONE_WAY_MS = 20
const LINE_BYTES_PER_SECOND = 125_000_000
const BULK_MIB = 1536

const rounded = (value: number): string => value.toFixed(value < 10 ? 1 : 0)

interface Place {
  folder: string
  log: (line: string) => void
}

interface Yard {
  line: Line
  fleet: Fleet
  ids: DeviceId[]
}

/** A line with a deployed sequence and enrolled devices. */
async function openYard(
  { folder, log }: Place,
  resources: AsyncDisposableStack,
  { devices, processes }: { devices: number; processes: number },
): Promise<Yard> {
  await mkdir(folder, { recursive: true })
  const ports = await linePorts(0)
  const line = await startLine({ folder: join(folder, 'line'), ports, resources, environments: unitEnvironments })
  const { admin } = line
  const files = join(folder, 'sources/small')
  await mkdir(files, { recursive: true })
  await writeFile(join(files, 'file.bin'), seededBytes('small', MiB))
  const id = PackageId.parse('BEN00001')
  const source = { id, name: 'Small', kind: 'package', target: 'linux', folder: 'small' } as const
  await importPackage(admin, source, join(folder, 'sources'))
  await distribute(admin, line.gatewayId, [id])
  const text = `format: sluice-sequence/1
name: Benchmark
steps:
  - type: runCommandLine
    name: Small
    package: ${id}
    commandLine: 'true'
`
  must(await admin.call('applySequence', { body: { fileName: 'benchmark.yaml', text } }))
  log(`${devices} devices enrol`)
  const { bundle } = must(await admin.call('createDeviceToken', { body: { uses: devices } }))
  const fleet = startFleet(processes, resources)
  const { token = '', gatewayAuthority: authority } = bundle
  const doors = { token, authority, enrolmentPort: ports.enrolment, devicePort: ports.device }
  const ids = (await fleet.enrol(devices, doors)).map((one) => DeviceId.parse(one))
  await deployTo(admin, ids, 'Benchmark', {})
  return { line, fleet, ids }
}

/** Resident memory of a process in MB: now, and the most it ever was. */
async function memoryOf(pid: number): Promise<{ now: number; most: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const read = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024) / 1_000_000
  return { now: read('VmRSS'), most: read('VmHWM') }
}

/** Processor time that a process has taken so far, in milliseconds. */
async function cpuOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // proc(5): user and system time are the 14th and 15th field; the second may hold blanks.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function listenAll(fleet: Fleet, devices: number, log: Place['log']): Promise<void> {
  log(`${devices} devices begin to listen`)
  await fleet.listen(8)
  await until(async () => (await fleet.listening()) === devices, 'all devices to listen')
}

export async function idleRow(place: Place): Promise<GatewayRow> {
  await using resources = new AsyncDisposableStack()
  const { line, fleet } = await openYard(place, resources, { devices: IDLE_AGENTS, processes: 4 })
  const pid = await line.gateway.pid()
  const before = await memoryOf(pid)
  await listenAll(fleet, IDLE_AGENTS, place.log)
  // Two beats of the gateway, so that what it does for them from time to time is in the figure.
  await sleep(110_000)
  const { now, most } = await memoryOf(pid)
  const still = await fleet.listening()
  const each = ((now - before.now) * 1_000_000) / IDLE_AGENTS / 1024
  const versus = `${still} listen; ${rounded(now)} MB at the end, ${rounded(before.now)} MB before; ${rounded(each)} KiB an agent`
  return gatewayRow('idle-agents-memory', most, versus, still === IDLE_AGENTS)
}

/** Site and gateway with a distance between them. */
async function putApart({ line }: Yard, resources: AsyncDisposableStack): Promise<void> {
  const script = fileURLToPath(new URL('./distance.ts', import.meta.url))
  const words = [line.ports.link, ONE_WAY_MS, LINE_BYTES_PER_SECOND].map(String)
  const child = fork(script, words, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  resources.defer(() => void child.kill('SIGKILL'))
  if (child.stdout === null) throw new Error('it says nothing')
  const [port] = await once(createInterface({ input: child.stdout }), 'line')
  const { admin, gatewayId } = line
  must(await admin.call('changeGateway', { id: gatewayId, body: { linkAddress: `127.0.0.1:${port}` } }))
  await sleep(500)
  await linkUp(admin, gatewayId)
  await until(async () => {
    const known = must(await admin.call('gateways')).find(({ id }) => id === gatewayId)
    const round = known?.connections.find(({ kind }) => kind === 'control')?.roundTripMs
    return round !== undefined && round >= 2 * ONE_WAY_MS
  }, 'the link over the distance')
}

export async function pollRows(place: Place & { runs: number; besideBulk: boolean }): Promise<GatewayRow[]> {
  await using resources = new AsyncDisposableStack()
  const yard = await openYard(place, resources, { devices: ASKING, processes: 1 })
  const { line, fleet } = yard
  const { runs, besideBulk, folder, log } = place
  const bulk = besideBulk ? await bulkPackages(line, folder, runs) : []
  await putApart(yard, resources)
  const [sitePid, gatewayPid] = [await line.site.pid(), await line.gateway.pid()]
  const cpu = async () => ({ site: await cpuOf(sitePid), gateway: await cpuOf(gatewayPid) })
  const costs = { site: [] as number[], gateway: [] as number[], devices: [] as number[] }
  // Bodies of policy are made when a device first asks after a change; what is measured is asking.
  await fleet.poll({ asking: ASKING, warmMs: 0, measureMs: 1_000 })
  const alone: PollFigures[] = []
  const beside: PollFigures[] = []
  for (let round = 0; round < runs; round++) {
    const before = await cpu()
    const figures = await fleet.poll({ asking: ASKING, warmMs: WARM_MS, measureMs: MEASURE_MS })
    const after = await cpu()
    alone.push(figures)
    costs.site.push((after.site - before.site) / figures.answers)
    costs.gateway.push((after.gateway - before.gateway) / figures.answers)
    costs.devices.push(figures.cpuMs / figures.answers)
    log(`policy-polls: ${figuresText(alone.at(-1))}`)
    const id = bulk[round]
    if (id === undefined) continue
    beside.push(await pollBeside(yard, id))
    log(`policy-polls-beside-bulk: ${figuresText(beside.at(-1))}`)
  }
  const rate = (figures: readonly PollFigures[]) => median(figures.map(({ perSecond }) => perSecond))
  const p99 = median(alone.map(({ p99Ms }) => p99Ms))
  const none = [...alone, ...beside].every(({ failures }) => failures === 0)
  const middle = median(alone.map(({ medianMs }) => medianMs))
  const cost = (values: readonly number[]) => median(values).toFixed(2)
  const texts = `${ASKING} ask at once; median ${rounded(middle)} ms, p99 ${rounded(p99)} ms; processor time of a poll ${cost(costs.site)} ms at the site, ${cost(costs.gateway)} ms at the gateway, ${cost(costs.devices)} ms at the devices`
  const rows = [gatewayRow('policy-polls', rate(alone), texts, none && p99 <= P99_MS)]
  if (besideBulk) {
    const p99Beside = median(beside.map(({ p99Ms }) => p99Ms))
    const versus = `${rounded(rate(beside))} polls/s, p99 ${rounded(p99Beside)} ms, beside a pull of ${BULK_MIB} MiB over 1 Gbit/s`
    rows.push(gatewayRow('policy-polls-beside-bulk', rate(beside) / rate(alone), versus, none))
  }
  return rows
}

const figuresText = (figures: PollFigures | undefined) =>
  figures === undefined
    ? 'nothing'
    : `${rounded(figures.perSecond)}/s, p99 ${rounded(figures.p99Ms)} ms, ${figures.failures} failed`

/** One package for each run, big enough to be under way as long as the run is. */
async function bulkPackages({ admin }: Line, folder: string, count: number): Promise<PackageId[]> {
  const ids: PackageId[] = []
  for (let i = 0; i < count; i++) {
    const id = PackageId.parse(`BEN1000${i}`)
    const name = `bulk-${i}`
    const sources = join(folder, 'sources')
    await mkdir(join(sources, name), { recursive: true })
    const file = join(sources, name, 'file.bin')
    for (let at = 0; at < BULK_MIB; at += 64)
      await writeFile(file, seededBytes(`${name} ${at}`, 64 * MiB), { flag: 'a' })
    await importPackage(admin, { id, name, kind: 'package', target: 'linux', folder: name }, sources)
    ids.push(id)
  }
  return ids
}

async function pollBeside({ line, fleet }: Yard, id: PackageId): Promise<PollFigures> {
  const { admin, gatewayId } = line
  const body = { to: [gatewayId] }
  const state = async () =>
    must(await admin.call('package', { id })).distribution.find((one) => one.pointId === gatewayId)
  must(await admin.call('distributePackage', { id, body }))
  await until(async () => ((await state())?.presentBytes ?? 0) > 0, 'the bulk transfer to begin')
  const figures = await fleet.poll({ asking: ASKING, warmMs: 1_000, measureMs: 6_000 })
  const after = await state()
  if (after === undefined || after.presentBytes >= after.totalBytes)
    throw new Error('the bulk transfer was over before the polls were')
  await until(async () => (await state())?.state === 'installed', 'the end of the bulk transfer')
  return figures
}

export async function restartRow(place: Place): Promise<GatewayRow> {
  await using resources = new AsyncDisposableStack()
  const { line, fleet } = await openYard(place, resources, { devices: RESTART_AGENTS, processes: 2 })
  await listenAll(fleet, RESTART_AGENTS, place.log)
  await fleet.report(4_000)
  await sleep(8_000)
  place.log('the gateway is killed')
  await line.gateway.kill()
  const killedAt = performance.now()
  await line.gateway.start()
  await until(async () => (await fleet.listening()) === RESTART_AGENTS, 'all devices to be back')
  const seconds = (performance.now() - killedAt) / 1000
  await sleep(8_000)
  const acknowledged = await fleet.acknowledged()
  const { lost, kept } = await compare(line, acknowledged)
  const total = acknowledged.reduce((sum, one) => sum + one.acknowledged, 0)
  const versus = `${total} messages acknowledged, ${lost} of them lost, ${kept} at the site`
  return gatewayRow('restart-recovery', seconds, versus, lost === 0 && total > 0)
}

/** Every acknowledged message must be at the site. */
async function compare(
  { admin }: Line,
  acknowledged: readonly Acknowledged[],
): Promise<{ lost: number; kept: number }> {
  const kept = new Set<string>()
  for (let after = 0; ; ) {
    const entries = must(await admin.call('status', { query: { after: String(after), waitMs: '0' } }))
    for (const { deviceId, message } of entries) kept.add(`${deviceId} ${message.bootId} ${message.seq}`)
    const last = entries.at(-1)
    if (last === undefined) break
    after = last.cursor
  }
  let lost = 0
  for (const { deviceId, bootId, acknowledged: count } of acknowledged)
    for (let seq = 1; seq <= count; seq++) if (!kept.has(`${deviceId} ${bootId} ${seq}`)) lost++
  return { lost, kept: kept.size }
}
