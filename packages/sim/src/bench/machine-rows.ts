/** The rows that measure a machine and not a line: processor and disk. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { type AdminClient, type PackageId, Sha256 } from '@sluice/protocol'
import { importPackage } from '../administrator.ts'
import { median, type Row, type RowName, row } from './rows.ts'
import { timed } from './tools.ts'
import { sameBytes, type Yard } from './yard.ts'

const GiB = 1024 ** 3
const STREAMS = 8
/** Of the kernel's clock in /proc, a second. */
const TICKS = 100

export interface MachineOptions {
  yard: Yard
  folder: string
  runs: number
  log: (line: string) => void
}

export async function loopbackRow({ yard, folder, runs, log }: MachineOptions): Promise<Row[]> {
  const { nginx, near } = yard
  if (nginx === undefined) return []
  const source = join(yard.sources, 'huge', 'file.bin')
  const sums = join(folder, '..', 'sums')
  const file = join(folder, 'file.bin')
  const times = { ours: [] as number[], theirs: [] as number[], openssl: [] as number[] }
  const [sum] = (await output('sha256sum', source)).split(' ')
  await writeFile(sums, `${sum}  ${file}\n`)
  for (let round = 0; round < runs; round++) {
    const ours = await near.download(yard.packageId('huge'), true)
    if (round === 0 && !(await sameBytes(join(ours.content, 'file.bin'), source)))
      throw new Error('the download is not its source')
    await rm(ours.content, { recursive: true, force: true })
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder)
    const url = `${nginx.url}/sources/huge/file.bin`
    const curl = await timed(['curl', '-sS', '--cacert', nginx.authority, '-o', file, url])
    const check = await timed(['sha256sum', '-c', '--status', sums])
    const digest = await timed(['openssl', 'dgst', '-sha256', file])
    times.ours.push(ours.milliseconds)
    times.theirs.push(curl.milliseconds + check.milliseconds)
    times.openssl.push(curl.milliseconds + digest.milliseconds)
    log(
      `loopback, round ${round + 1}: ours ${seconds(ours.milliseconds)}, curl ${seconds(curl.milliseconds)}, ` +
        `sha256sum ${seconds(check.milliseconds)}, openssl ${seconds(digest.milliseconds)}, ` +
        `agent at most ${Math.round(ours.peakBytes / 1e6)} MB`,
    )
  }
  const [ours, theirs, openssl] = [median(times.ours), median(times.theirs), median(times.openssl)]
  const said = `${seconds(ours)} to ${seconds(theirs)}; with openssl dgst in its place ${seconds(openssl)}`
  return [row('loopback-verified', ours / theirs, said)]
}

export async function gatewayCpuRow({ yard, runs, log }: MachineOptions): Promise<Row[]> {
  const { nginx, near } = yard
  if (nginx === undefined) return []
  const data = join(yard.lineFolder, 'gateway', 'data')
  const root = join(yard.lineFolder, '..')
  const packs = (await filesBelow(data)).filter((path) => /\/packs\/.*[0-9a-f]{64}$/.test(path))
  const hashes = packs.map((path) => Sha256.parse(path.slice(-64)))
  const { urls, keyFile, certificateFile, authorityFile } = await near.sign(yard.packageId('huge'), hashes)
  const pid = await gatewayPid(yard)
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < runs; round++) {
    const credentials = ['--cert', certificateFile, '--key', keyFile, '--cacert', authorityFile]
    ours.push(await cpuPerGiB([pid], () => fetchAll(urls, credentials)))
    const nginxUrls = packs.map((path) => `${nginx.url}/${relative(root, path)}`)
    theirs.push(await cpuPerGiB(await nginx.pids(), () => fetchAll(nginxUrls, ['--cacert', nginx.authority])))
    log(`gateway, round ${round + 1}: ours ${ours.at(-1)?.toFixed(2)}, nginx ${theirs.at(-1)?.toFixed(2)} s a GiB`)
  }
  const said = `${median(ours).toFixed(2)} s to ${median(theirs).toFixed(2)} s of nginx`
  return [row('gateway-cpu', median(ours) / median(theirs), said)]
}

/** Largest resident memory so far. Call it last; where nothing was downloaded before, it downloads once. */
export async function memoryRows({ yard }: { yard: Yard }, names: ReadonlySet<RowName>): Promise<Row[]> {
  const { near, far } = yard
  const last = await near.download(yard.packageId('huge'))
  const peaks = [last.peakBytes, ...(far === undefined ? [] : [await far.peakBytes()])]
  const status = await readFile(`/proc/${await gatewayPid(yard)}/status`, 'utf8')
  const gateway = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
  const rows = [
    row('memory-agent', Math.max(...peaks) / 1e6, peaks.map((bytes) => `${Math.round(bytes / 1e6)} MB`).join(' and ')),
    row('memory-gateway', gateway / 1e6, 'since its start'),
  ]
  return rows.filter(({ name }) => names.has(name))
}

const gatewayPid = (yard: Yard) => pidOf(join(yard.lineFolder, 'gateway', 'gateway.json'))

/** Processor seconds that the processes spend for each GiB that `work` says it fetched. */
async function cpuPerGiB(pids: readonly number[], work: () => Promise<number>): Promise<number> {
  const spent = async () => (await Promise.all(pids.map(cpuSeconds))).reduce((sum, one) => sum + one, 0)
  const before = await spent()
  const bytes = await work()
  return (((await spent()) - before) * GiB) / bytes
}

async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** Fetches all addresses over `STREAMS` connections at once and gives the bytes that came. */
async function fetchAll(urls: readonly string[], more: readonly string[]): Promise<number> {
  const shares = Array.from({ length: STREAMS }, (_, i) => urls.filter((_, j) => j % STREAMS === i))
  const counted = await Promise.all(
    shares
      .filter((share) => share.length > 0)
      .map((share) => {
        const targets = share.flatMap((url) => [url, '-o', '/dev/null'])
        return output('curl', '-sS', '--fail', ...more, '-w', '%{size_download}\\n', ...targets)
      }),
  )
  return counted
    .join('\n')
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0)
}

/** Import of a folder by the site, against `casync make` of the same folder. */
export async function importRow(options: {
  /** A site with nothing in its library. */
  freshSite: (round: number) => Promise<{ admin: AdminClient; end: () => Promise<void> }>
  tree: string
  folder: string
  runs: number
  log: (line: string) => void
}): Promise<Row[]> {
  const { freshSite, tree, folder, runs, log } = options
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < runs; round++) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder)
    const make = await timed(['casync', 'make', `--store=${join(folder, 'store')}`, join(folder, 'tree.caidx'), tree])
    theirs.push(make.milliseconds)
    const site = await freshSite(round)
    const source = { id: 'BEN00004' as PackageId, name: 'tree', kind: 'package', target: 'linux', folder: '.' } as const
    const began = performance.now()
    await importPackage(site.admin, source, tree)
    ours.push(performance.now() - began)
    await site.end()
    log(`import, round ${round + 1}: ours ${seconds(ours.at(-1) ?? 0)}, casync ${seconds(make.milliseconds)}`)
  }
  return [
    row('import', median(ours) / median(theirs), `${seconds(median(ours))} to ${seconds(median(theirs))} of casync`),
  ]
}

async function output(program: string, ...words: string[]): Promise<string> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (piece: Buffer) => {
    text += piece
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
  return text
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** The process with this configuration file. */
async function pidOf(configuration: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (words.includes(configuration)) return Number(name)
  }
  throw new Error(`no process has ${configuration}`)
}

const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`
