/**
 * A package of a million small files: imported, sent to a gateway, and planned by a device that wants one of
 * them. The device reads every page and fetches hardly anything, so it is the plan that is measured.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { PackageId } from '@sluice/protocol'
import { deployTo, must } from '../administrator.ts'
import { startLine } from '../line.ts'
import { linePorts } from '../ports.ts'
import { startBenchDevice } from './bench-device.ts'
import { type Row, row } from './rows.ts'
import { raiseLoopback } from './sandbox.ts'
import { unitEnvironments } from './unit-environments.ts'

const FILES_A_FOLDER = 1000
const PACKAGE = 'BEN00020' as PackageId
const WANTED = 'folder-000/file-500.txt'
const FILE_BYTES = 100
const CHUNK_BYTES = 60

export async function millionRow(options: {
  folder: string
  /** Rounded up to whole folders. */
  files: number
  sandboxed: boolean
  log: (line: string) => void
}): Promise<Row> {
  const { folder, sandboxed, log } = options
  if (sandboxed) raiseLoopback()
  const resources = new AsyncDisposableStack()
  try {
    const tree = join(folder, 'tree')
    const folders = Math.ceil(options.files / FILES_A_FOLDER)
    log(`${folders * FILES_A_FOLDER} files: being written`)
    writeFiles(tree, folders)
    const lineFolder = join(folder, 'line')
    const line = await startLine({
      ...{ folder: lineFolder, ports: await linePorts(0), resources },
      environments: unitEnvironments,
    })
    const { admin } = line
    const began = performance.now()
    const body = { id: PACKAGE, name: 'million', kind: 'package', target: 'any', folder: tree } as const
    const { jobId } = must(await admin.call('importPackage', { body }))
    for (;;) {
      const job = must(await admin.call('job', { id: jobId }))
      if (job.state === 'failed') throw new Error(job.problem?.detail)
      if (job.state === 'succeeded') break
      await delay(1000)
    }
    const importMs = performance.now() - began
    const site = await line.site.pid()
    log(`a million files: imported in ${seconds(importMs)}, site ${mb(await peakBytes(site))}`)
    const sent = performance.now()
    must(await admin.call('distributePackage', { id: PACKAGE, body: { to: [line.gatewayId] } }))
    for (;;) {
      const [there] = must(await admin.call('package', { id: PACKAGE })).distribution
      if (there?.state === 'failed') throw new Error(there.problem?.detail)
      if (there?.state === 'installed') break
      await delay(1000)
    }
    const distributeMs = performance.now() - sent
    const gateway = await peakBytes(await line.gateway.pid())
    log(
      `a million files: distributed in ${seconds(distributeMs)}, site ${mb(await peakBytes(site))}, gateway ${mb(gateway)}`,
    )
    const text = `format: sluice-sequence/1
name: Million
steps:
  - type: runCommandLine
    name: one of a million
    class: once
    package: ${PACKAGE}
    files: [${WANTED}]
    commandLine: 'true'
`
    must(await admin.call('applySequence', { body: { fileName: 'million.yaml', text } }))
    const device = await startBenchDevice({
      folder: join(folder, 'device'),
      name: 'million',
      prefix: [],
      admin,
      resources,
    })
    await device.accept((await deployTo(admin, [device.id], 'Million', {})).id)
    const files = [WANTED]
    const planned = await device.download(PACKAGE, { keep: false, remembered: false, files })

    const info = must(await admin.call('package', { id: PACKAGE }))
    const metadata = await bytesBelow(lineFolder, '/pages/')
    // Every file is a chunk of its own here.
    const bound = info.fileCount * (FILE_BYTES + CHUNK_BYTES)
    const [siteBytes, agentBytes] = [await peakBytes(site), planned.peakBytes]
    const said =
      `site ${mb(siteBytes)}, agent ${mb(agentBytes)}, gateway ${mb(gateway)}; ` +
      `${(metadata / info.fileCount).toFixed(0)} B of pages a file; import ${seconds(importMs)}, ` +
      `distribution ${seconds(distributeMs)}, plan ${seconds(planned.milliseconds)}`
    log(`a million files: ${said}`)
    const made = row('million-files', Math.max(siteBytes, agentBytes) / 1e6, said)
    return { ...made, pass: made.pass && metadata <= bound }
  } finally {
    await resources.disposeAsync()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Blocks: nobody waits for anything else meanwhile. */
function writeFiles(tree: string, folders: number): void {
  for (let i = 0; i < folders; i++) {
    const folder = join(tree, `folder-${String(i).padStart(3, '0')}`)
    mkdirSync(folder, { recursive: true })
    for (let j = 0; j < FILES_A_FOLDER; j++)
      writeFileSync(join(folder, `file-${String(j).padStart(3, '0')}.txt`), `file ${j} of folder ${i}\n`.repeat(8))
  }
}

async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

/** Of the files of the site whose path has these words. */
async function bytesBelow(folder: string, words: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(join(folder, 'site'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && path.includes(words)) bytes += (await stat(path)).size
  }
  return bytes
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`
