/**
 * Where the network rows are measured: the line (site and gateway), nginx beside the gateway with the
 * same files, and one device at each end of the wide-area line.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageId } from '@sluice/protocol'
import { deployTo, distribute, importPackage, must } from '../administrator.ts'
import { seededBytes } from '../demo/seeded-bytes.ts'
import { type Line, startLine } from '../line.ts'
import { linePorts } from '../ports.ts'
import { type BenchDevice, startBenchDevice } from './bench-device.ts'
import { raiseLoopback } from './sandbox.ts'
import { type Nginx, startNginx } from './tools.ts'
import { unitEnvironments } from './unit-environments.ts'
import { NEAR, startWan, type Wan } from './wan.ts'

const MiB = 1024 * 1024
export const SMALL_FILES = 2000
const SMALL_BYTES = 16 * 1024
export const LARGE_BYTES = 32 * MiB
export const HUGE_BYTES = 1024 * MiB

export type SourceName = 'large' | 'small' | 'huge'
const packageIds = { large: 'BEN00001', small: 'BEN00002', huge: 'BEN00003' } as Record<SourceName, PackageId>

export interface Yard {
  line: Line
  /** Folder of the line: data of site and gateway. */
  lineFolder: string
  sources: string
  nginx: Nginx | undefined
  wan: Wan | undefined
  /** Beside the gateway. */
  near: BenchDevice
  /** At the other end of the wide-area line. */
  far: BenchDevice | undefined
  packageId(source: SourceName): PackageId
}

/** @param options.sources what is to be there; @param options.sandboxed whether there can be a wide-area line */
export async function openYard(options: {
  folder: string
  sources: readonly SourceName[]
  sandboxed: boolean
  withNginx: boolean
  resources: AsyncDisposableStack
  log: (line: string) => void
}): Promise<Yard> {
  const { folder, sandboxed, resources, log } = options
  const at = (name: string) => join(folder, name)
  if (sandboxed) raiseLoopback()
  const wan = sandboxed ? await startWan(resources) : undefined
  const host = sandboxed ? NEAR : '127.0.0.1'
  log('writing and importing the content')
  for (const name of options.sources) await writeSource(name, at('sources'))
  const ports = await linePorts(0)
  const nginx = options.withNginx
    ? await startNginx({ folder: await made(at('nginx')), root: folder, host, port: ports.softwareCenter, resources })
    : undefined
  const line = await startLine({ folder: at('line'), ports, resources, host, environments: unitEnvironments })
  for (const name of options.sources)
    await importPackage(
      line.admin,
      { id: packageIds[name], name, kind: 'package', target: 'linux', folder: name },
      at('sources'),
    )
  await distribute(
    line.admin,
    line.gatewayId,
    options.sources.map((name) => packageIds[name]),
  )
  const step = (name: SourceName) => `
  - type: runCommandLine
    name: ${name}
    class: once
    package: ${packageIds[name]}
    commandLine: 'true'`
  const text = `format: sluice-sequence/1\nname: Benchmark\nsteps:${options.sources.map(step).join('')}\n`
  if (options.sources.length > 0)
    must(await line.admin.call('applySequence', { body: { fileName: 'benchmark.yaml', text } }))

  const device = (name: string, prefix: readonly string[]) =>
    startBenchDevice({ folder: at(name), name, prefix, admin: line.admin, resources })
  const near = await device('near', [])
  const far = wan === undefined ? undefined : await device('far', wan.farEnd)
  const devices = far === undefined ? [near] : [near, far]
  if (options.sources.length > 0) {
    const ids = devices.map((one) => one.id)
    const { id } = await deployTo(line.admin, ids, 'Benchmark', {})
    for (const one of devices) await one.accept(id)
  }
  return {
    line,
    lineFolder: at('line'),
    sources: at('sources'),
    nginx,
    wan,
    near,
    far,
    packageId: (source) => packageIds[source],
  }
}

async function writeSource(name: SourceName, sources: string): Promise<void> {
  const folder = await made(join(sources, name))
  if (name === 'large') return writeFile(join(folder, 'file.bin'), seededBytes('large', LARGE_BYTES))
  if (name === 'huge') {
    for (let i = 0; i < HUGE_BYTES; i += 64 * MiB)
      await writeFile(join(folder, 'file.bin'), seededBytes(`huge ${i}`, 64 * MiB), { flag: 'a' })
    return
  }
  for (let i = 0; i < SMALL_FILES; i++)
    await writeFile(join(folder, `${i}.bin`), seededBytes(`small ${i}`, SMALL_BYTES))
}

async function made(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  return folder
}

/** Whether a file is there as it was written: what was downloaded is compared with its source. */
export const sameBytes = async (one: string, other: string): Promise<boolean> =>
  (await readFile(one)).equals(await readFile(other))
