/**
 * The rows of an update: a device that has a version gets the next one. Our bytes are all that its agent
 * fetches, pages included; casync's are its index and the chunks that the version before lacks.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PackageId } from '@sluice/protocol'
import { deployTo, distribute, importPackage, jobDone, must } from '../administrator.ts'
import { median, type Row, type RowName, row } from './rows.ts'
import { timed } from './tools.ts'
import { layTree, type TreeName } from './trees.ts'
import type { Yard } from './yard.ts'

const run = promisify(execFile)
const lossy = { rateMbit: 20, rttMs: 80, lossPercent: 1 }
/** casync is stopped when it has taken so many times as long as we did: then the row has passed with a tenth to spare. */
const ENOUGH = 1.1 / 0.5

export const updateTrees = {
  'update-os-tree-bytes': 'os',
  'update-os-tree-time': 'os',
  'update-kernel-bytes': 'kernel',
  'update-debs-bytes': 'debs',
} as const satisfies Partial<Record<RowName, TreeName>>
export type UpdateRow = keyof typeof updateTrees

const packageIds = { os: 'BEN00011', kernel: 'BEN00012', debs: 'BEN00013' } as Record<TreeName, PackageId>

export interface UpdateOptions {
  yard: Yard
  /** Scratch; used and emptied. */
  folder: string
  rows: ReadonlySet<RowName>
  /** Of the row over the line; bytes are the same each time. */
  runs: number
  log: (line: string) => void
}

export async function updateRows(options: UpdateOptions): Promise<Row[]> {
  const { yard, folder, rows, log } = options
  const wanted = (Object.keys(updateTrees) as UpdateRow[]).filter((name) => rows.has(name))
  const trees = [...new Set(wanted.map((name) => updateTrees[name]))]
  // At the gateway's end: how many bytes are fetched does not depend on the line.
  const device = yard.near
  const devices = yard.far === undefined ? [device] : [device, yard.far]
  const places = (name: TreeName) => ({ old: join(folder, `${name}-old`), new: join(folder, `${name}-new`) })
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const name of trees)
    for (const version of ['old', 'new'] as const) await layTree(name, version, places(name)[version])
  // Lists of the archive, which no image carries.
  for (const place of Object.values(places('os')))
    await rm(join(place, 'var/lib/apt/lists'), { recursive: true, force: true })

  const { admin, gatewayId } = yard.line
  const ids = trees.map((name) => packageIds[name])
  /** Deploys what the packages are now, and has the devices take it. */
  const deploy = async (sequence: string) => {
    const steps = trees.map(
      (name) => `
  - type: runCommandLine
    name: ${name}
    class: once
    package: ${packageIds[name]}
    commandLine: 'true'`,
    )
    const text = `format: sluice-sequence/1\nname: ${sequence}\nsteps:${steps.join('')}\n`
    must(await admin.call('applySequence', { body: { fileName: 'updates.yaml', text } }))
    const to = devices.map((one) => one.id)
    const deployment = await deployTo(admin, to, sequence, {})
    for (const one of devices) await one.accept(deployment.id)
  }
  for (const name of trees)
    await importPackage(
      admin,
      { id: packageIds[name], name, kind: 'package', target: 'linux', folder: `${name}-old` },
      folder,
    )
  await distribute(admin, gatewayId, ids)
  await deploy('Before the update')
  for (const name of trees) for (const one of devices) await one.remember(packageIds[name])
  for (const name of trees) {
    const id = packageIds[name]
    await jobDone(admin, must(await admin.call('updatePackage', { id, body: { folder: places(name).new } })).jobId)
  }
  await distribute(admin, gatewayId, ids)
  await deploy('After the update')

  const made: Row[] = []
  for (const name of trees) {
    const casync = await makeCasync(join(folder, `${name}-casync`), places(name))
    const { fetchedBytes, content } = await device.download(packageIds[name], { keep: true, remembered: true })
    await run('diff', ['-r', '--no-dereference', '-q', places(name).new, content])
    const said = `${megabytes(fetchedBytes)} to ${megabytes(casync.bytes)} of casync`
    log(`update of ${name}: ${said}`)
    for (const each of wanted)
      if (updateTrees[each] === name && each.endsWith('-bytes')) made.push(row(each, fetchedBytes / casync.bytes, said))
  }
  if (rows.has('update-os-tree-time')) made.push(...(await timeRow(options, places('os').old)))
  return made
}

/** Over the lossy line. */
async function timeRow({ yard, folder, runs, log }: UpdateOptions, seed: string): Promise<Row[]> {
  const { far, wan, nginx } = yard
  if (far === undefined || wan === undefined || nginx === undefined) return []
  const store = join(folder, 'os-casync')
  const url = `${nginx.url}/${nginx.pathOf(store)}`
  await trust(nginx.authority, folder)
  const out = join(folder, 'out')
  const times = { ours: [] as number[], theirs: [] as number[], stopped: false }
  wan.shape(lossy)
  for (let round = 0; round < runs; round++) {
    const { milliseconds } = await far.download(packageIds.os, { keep: false, remembered: true })
    times.ours.push(milliseconds)
    await rm(out, { recursive: true, force: true })
    const words = ['casync', 'extract', `--store=${url}/new`, `--seed=${seed}`, `${url}/new.caidx`, out]
    const theirs = await timed([...wan.farEnd, ...words], { stopAfterMs: milliseconds * ENOUGH })
    times.theirs.push(theirs.milliseconds)
    times.stopped ||= theirs.stopped
    log(
      `update over the line, round ${round + 1}: ours ${seconds(milliseconds)}, casync ${theirs.stopped ? 'more than ' : ''}${seconds(theirs.milliseconds)}`,
    )
  }
  const [ours, theirs] = [median(times.ours), median(times.theirs)]
  const said = `${seconds(ours)} to ${times.stopped ? 'more than ' : ''}${seconds(theirs)} of casync`
  return [row('update-os-tree-time', ours / theirs, said)]
}

/** Both versions as casync stores them, and the bytes that the second costs whoever has the first. */
async function makeCasync(folder: string, trees: { old: string; new: string }): Promise<{ bytes: number }> {
  await mkdir(folder, { recursive: true })
  for (const version of ['old', 'new'] as const)
    await run(
      'casync',
      ['make', `--store=${join(folder, version)}`, join(folder, `${version}.caidx`), trees[version]],
      {
        maxBuffer: 64 * 1024 * 1024,
      },
    )
  const chunksOf = async (version: string) =>
    (await readdir(join(folder, version), { recursive: true })).filter((name) => name.endsWith('.cacnk'))
  const known = new Set(await chunksOf('old'))
  let bytes = (await stat(join(folder, 'new.caidx'))).size
  for (const name of await chunksOf('new')) if (!known.has(name)) bytes += (await stat(join(folder, 'new', name))).size
  return { bytes }
}

/** casync takes its authorities from the system and from nowhere else: in this mount namespace nginx is one. */
async function trust(authority: string, folder: string): Promise<void> {
  const system = '/etc/ssl/certs/ca-certificates.crt'
  const bundle = join(folder, 'authorities.pem')
  await copyFile(system, bundle)
  await writeFile(bundle, await readFile(authority), { flag: 'a' })
  await run('mount', ['--bind', bundle, system])
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`
const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`
