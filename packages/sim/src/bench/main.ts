/** The benchmark as a program: what `npm run bench` does. */
import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startLine } from '../line.ts'
import { linePorts } from '../ports.ts'
import { engineBench } from './engine/main.ts'
import { gatewayBench } from './gateway/main.ts'
import { keepRows, keptText, readKeptRows } from './kept-rows.ts'
import { gatewayCpuRow, importRow, loopbackRow, memoryRows } from './machine-rows.ts'
import { millionRow } from './million-row.ts'
import { type BenchOptions, readBenchOptions } from './options.ts'
import { chartOf, tableOf } from './report.ts'
import { type Row, type RowName, rowNames } from './rows.ts'
import { makeBenchFolder, raiseLoopback, runSandboxed, sandboxFolder, sandboxObstacle } from './sandbox.ts'
import { missingTools } from './tools.ts'
import { fetchTree, layTree, type TreeName, treeIsKept } from './trees.ts'
import { unitEnvironments } from './unit-environments.ts'
import { type UpdateRow, updateRows, updateTrees } from './update-rows.ts'
import { cleanRow, largeRows, smallRows } from './wan-rows.ts'
import { openYard, type SourceName } from './yard.ts'

const run = promisify(execFile)
const documents = fileURLToPath(new URL('../../../../docs/benchmarks', import.meta.url))
const updates = Object.keys(updateTrees) as UpdateRow[]
const say = (line: string) => void process.stderr.write(`${line}\n`)

/** What a row needs, beside ourselves. */
const needs: Record<RowName, { tools: string[]; source?: SourceName; tree?: TreeName; line?: true }> = {
  'wan-large-vs-curl': { tools: ['nginx', 'curl'], source: 'large', line: true },
  'wan-large-vs-aria2': { tools: ['nginx', 'aria2c'], source: 'large', line: true },
  'wan-clean-rate': { tools: [], source: 'large', line: true },
  'wan-small-vs-curl': { tools: ['nginx', 'curl'], source: 'small', line: true },
  'wan-small-vs-aria2': { tools: ['nginx', 'aria2c'], source: 'small', line: true },
  'loopback-verified': { tools: ['nginx', 'curl', 'sha256sum', 'openssl'], source: 'huge' },
  'gateway-cpu': { tools: ['nginx', 'curl', 'ps'], source: 'huge' },
  'update-os-tree-bytes': { tools: ['casync', 'debootstrap'], tree: 'os' },
  'update-os-tree-time': { tools: ['casync', 'debootstrap', 'nginx'], tree: 'os', line: true },
  'update-kernel-bytes': { tools: ['casync', 'apt-get', 'dpkg-deb'], tree: 'kernel' },
  'update-debs-bytes': { tools: ['casync', 'apt-get', 'debootstrap'], tree: 'debs' },
  'memory-agent': { tools: [], source: 'huge' },
  'memory-gateway': { tools: [], source: 'huge' },
  import: { tools: ['casync', 'debootstrap'], tree: 'os' },
  'million-files': { tools: [] },
}

/** @param words after the program's name. Returns the exit code: 1 when a row missed its target. */
export async function benchMain(words: string[]): Promise<number> {
  if (words[0] === 'engine') return engineBench(words.slice(1))
  if (words[0] === 'gateway') return gatewayBench(words.slice(1))
  const options = readBenchOptions(words)
  if (typeof options === 'string') {
    process.stdout.write(options)
    return words.includes('--help') ? 0 : 2
  }
  const given = sandboxFolder()
  const obstacle = given === undefined ? sandboxObstacle() : undefined
  if (given === undefined && obstacle === undefined) {
    // The sandbox has no network.
    await fetchTrees(options.rows)
    return runSandboxed()
  }

  const skipped = new Map<string, string>()
  for (const name of options.rows) {
    const why = await obstacleTo(name, obstacle)
    if (why === undefined) continue
    skipped.set(name, why)
    say(`skipped: ${name}: ${why}`)
  }
  const wanted = new Set([...options.rows].filter((name) => !skipped.has(name)))
  const folder = given ?? (await makeBenchFolder())
  const resources = new AsyncDisposableStack()
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  try {
    const onMeasured = options.write ? await keeper() : async () => {}
    const rows = await measure(wanted, { options, folder, resources, sandboxed: obstacle === undefined, onMeasured })
    for (const { name, value, unit, target, pass, versus } of rows)
      say(`${pass ? 'met   ' : 'missed'}  ${name.padEnd(20)} ${value} ${unit} (target ${target}): ${versus}`)
    if (options.json) process.stdout.write(`${JSON.stringify({ rows })}\n`)
    return rows.every(({ pass }) => pass) ? 0 : 1
  } finally {
    await resources.disposeAsync()
  }
}

async function fetchTrees(rows: ReadonlySet<RowName>): Promise<void> {
  const trees = new Set([...rows].flatMap((name) => needs[name].tree ?? []))
  for (const tree of trees)
    await fetchTree(tree, say).catch((error: unknown) => say(`the tree ${tree} cannot be had: ${error}`))
}

async function obstacleTo(name: RowName, sandbox: string | undefined): Promise<string | undefined> {
  const { tools, line, tree } = needs[name]
  const missing = await missingTools(tools)
  if (missing.length > 0) return `${missing.join(', ')} is not installed`
  if (line && sandbox !== undefined) return `no wide-area line: ${sandbox}`
  if (tree !== undefined && sandbox !== undefined) return sandbox
  if (tree !== undefined && !(await treeIsKept(tree))) return 'its tree could not be fetched'
  return undefined
}

/** Writes what is measured as soon as it is: whoever interrupts a long run keeps what it had. */
async function keeper(): Promise<(rows: readonly Row[]) => Promise<void>> {
  await mkdir(documents, { recursive: true })
  const at = (name: string) => join(documents, name)
  let kept = await readKeptRows(at('content.json'))
  const about = await aboutHere()
  return async (rows) => {
    kept = keepRows(kept, rows, new Date().toISOString().slice(0, 10))
    await writeFile(at('content.json'), keptText(kept))
    await writeFile(at('content.md'), tableOf(kept, about))
    await writeFile(at('content.svg'), chartOf(kept))
  }
}

interface Place {
  options: BenchOptions
  folder: string
  resources: AsyncDisposableStack
  sandboxed: boolean
  onMeasured(rows: readonly Row[]): Promise<void>
}

async function measure(wanted: ReadonlySet<RowName>, place: Place): Promise<Row[]> {
  const { options, folder, resources, sandboxed } = place
  const any = (...names: RowName[]) => names.some((name) => wanted.has(name))
  const runs = (usual: number) => options.runs ?? usual
  const rows: Row[] = []
  const add = async (measured: readonly Row[]) => {
    rows.push(...measured)
    await place.onMeasured(measured)
  }
  if (any('import')) await add(await measureImport(folder, runs(5), sandboxed))
  if (any('million-files')) {
    const million = { folder: join(folder, 'million'), files: options.files, sandboxed, log: say }
    await add([await millionRow(million)])
  }
  const sources = new Set([...wanted].flatMap((name) => needs[name].source ?? []))
  if (sources.size > 0 || any(...updates)) {
    const yard = await openYard({
      folder,
      sources: [...sources],
      sandboxed,
      withNginx: (await missingTools(['nginx'])).length === 0,
      resources,
      log: say,
    })
    const common = { yard, folder: join(folder, 'scratch'), rows: wanted, log: say }
    if (any(...updates)) await add(await updateRows({ ...common, folder: join(folder, 'updates'), runs: runs(3) }))
    if (any('loopback-verified')) await add(await loopbackRow({ ...common, runs: runs(5) }))
    if (any('gateway-cpu')) await add(await gatewayCpuRow({ ...common, runs: runs(5) }))
    if (any('wan-large-vs-curl', 'wan-large-vs-aria2')) await add(await largeRows({ ...common, runs: runs(3) }))
    if (any('wan-clean-rate')) await add(await cleanRow({ ...common, runs: runs(3) }))
    if (any('wan-small-vs-curl', 'wan-small-vs-aria2')) await add(await smallRows({ ...common, runs: runs(3) }))
    if (any('memory-agent', 'memory-gateway')) await add(await memoryRows(common, wanted))
  }
  return rows.sort((a, b) => rowNames.indexOf(a.name) - rowNames.indexOf(b.name))
}

async function measureImport(folder: string, runs: number, sandboxed: boolean): Promise<Row[]> {
  if (sandboxed) raiseLoopback()
  const tree = join(folder, 'tree')
  await layTree('os', 'old', tree)
  const rows = await importRow({
    tree,
    folder: join(folder, 'casync'),
    runs,
    log: say,
    async freshSite(round) {
      const resources = new AsyncDisposableStack()
      const { admin } = await startLine({
        folder: join(folder, `import-${round}`),
        ports: await linePorts(0),
        resources,
        environments: unitEnvironments,
      })
      return { admin, end: () => resources.disposeAsync() }
    },
  })
  await rm(tree, { recursive: true, force: true })
  return rows
}

async function aboutHere(): Promise<string[]> {
  const first = (text: string) => text.split('\n')[0] ?? ''
  const version = (program: string, word: string) =>
    run(program, [word]).then(
      ({ stdout, stderr }) => first(stdout || stderr).split(' (')[0] ?? '',
      () => `${program}: not installed`,
    )
  const [model] = cpus()
  return [
    `Measured with Node ${process.versions.node} on ${cpus().length} × ${model?.model ?? 'an unknown processor'}; beside`,
    `${await version('/usr/sbin/nginx', '-v')}, ${await version('curl', '--version')}, ${await version('aria2c', '--version')},`,
    `${await version('casync', '--version')}.`,
  ]
}
