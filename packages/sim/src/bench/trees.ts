/**
 * Trees that change from one version to the next, as real ones do: from the archives that this machine's
 * apt is configured with, kept in a cache folder. Root only; fetched before the sandbox, which has no network.
 */
import { execFile } from 'node:child_process'
import { access, copyFile, cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bootstrapRelease, configuredMirror, copyRoot } from '../demo/debian-release.ts'

const run = promisify(execFile)
const cache = fileURLToPath(new URL('../../../../data/debian-cache', import.meta.url))
const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }, maxBuffer: 64 * 1024 * 1024 }

export const treeNames = ['os', 'kernel', 'debs'] as const
export type TreeName = (typeof treeNames)[number]

/** The two versions of a tree in the cache. */
const kept: Record<TreeName, { old: string; new: string }> = {
  os: { old: 'bookworm', new: 'trixie' },
  kernel: { old: 'kernel-old', new: 'kernel-new' },
  debs: { old: 'debs-old', new: 'debs-new' },
}
/** What an upgrade of a small server fetches, beyond its own packages. */
const SERVER = ['systemd-sysv', 'udev', 'linux-image-cloud-amd64', 'initramfs-tools', 'curl', 'openssh-server', 'dbus']

/** Whether both versions are in the cache. */
export async function treeIsKept(name: TreeName): Promise<boolean> {
  const { old, new: next } = kept[name]
  return (await exists(join(cache, old))) && (await exists(join(cache, next)))
}

/** Fetches what is not in the cache. What it says goes to `log`; a tree that cannot be had throws. */
export async function fetchTree(name: TreeName, log: (line: string) => void): Promise<void> {
  const { old, new: next } = kept[name]
  if (await treeIsKept(name)) return
  log(`fetching the tree ${name}`)
  await mkdir(cache, { recursive: true })
  const mirror = await configuredMirror()
  if (mirror === undefined) throw new Error('no Debian mirror is configured, and no tree is kept from before')
  if (name === 'os') for (const release of [old, next]) await bootstrapRelease(release, mirror, cache)
  else if (name === 'kernel') await fetchKernels()
  else await fetchDebs(mirror)
}

/** Copies one version of a tree, without what neither we nor casync carry. */
export async function layTree(name: TreeName, version: 'old' | 'new', to: string): Promise<void> {
  const from = join(cache, kept[name][version])
  if (name !== 'os') return cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  await copyRoot(from, to)
  const kinds = ['b', 'c', 'p', 's'].flatMap((kind) => ['-o', '-type', kind]).slice(1)
  await run('find', [to, '(', ...kinds, ')', '-delete'])
}

/** The kernel of the release and the newest, unpacked. */
async function fetchKernels(): Promise<void> {
  const meta = 'linux-image-cloud-amd64'
  const { stdout } = await run('apt-cache', ['madison', meta], quiet)
  const versions = [...new Set(stdout.split('\n').flatMap((line) => line.split('|')[1]?.trim() ?? []))]
  const [newest, oldest] = [versions[0], versions.at(-1)]
  if (newest === undefined || newest === oldest) throw new Error('apt knows only one version of the kernel')
  for (const [version, name] of [
    [oldest, kept.kernel.old],
    [newest, kept.kernel.new],
  ]) {
    const { stdout: shown } = await run('apt-cache', ['show', `${meta}=${version}`], quiet)
    const real = /^Depends: (linux-image-[^ ,]+)/m.exec(shown)?.[1]
    if (real === undefined) throw new Error(`${meta} ${version} names no kernel`)
    const folder = join(cache, `${name}.unfinished`)
    await rm(folder, { recursive: true, force: true })
    await mkdir(join(folder, 'tree'), { recursive: true })
    await run('apt-get', ['download', real], { ...quiet, cwd: folder })
    const deb = (await readdir(folder)).find((file) => file.endsWith('.deb')) ?? ''
    await run('dpkg-deb', ['-x', join(folder, deb), join(folder, 'tree')])
    await rename(join(folder, 'tree'), join(cache, name ?? ''))
    await rm(folder, { recursive: true })
  }
}

/** The .debs that take a root to the next release: as the release came out, and with what was mended since. */
async function fetchDebs(mirror: string): Promise<void> {
  const root = join(cache, 'debs.planning')
  await rm(root, { recursive: true, force: true })
  await copyRoot(await bootstrapRelease('bookworm', mirror, cache), root)
  await rm(join(root, 'etc/apt/sources.list.d'), { recursive: true, force: true })
  await copyFile('/etc/resolv.conf', join(root, 'etc/resolv.conf'))
  const base = mirror.replace(/\/$/, '')
  const released = `deb ${base} trixie main\n`
  const mended = `${released}deb ${base} trixie-updates main\ndeb ${base}-security trixie-security main\n`
  for (const [sources, name] of [
    [released, kept.debs.old],
    [mended, kept.debs.new],
  ] as const) {
    const archives = join(root, 'var/cache/apt/archives')
    await writeFile(join(root, 'etc/apt/sources.list'), sources)
    await run('chroot', [root, 'apt-get', '-q', 'clean'], quiet)
    await run('chroot', [root, 'apt-get', '-q', 'update'], quiet)
    await run('chroot', [root, 'apt-get', '-q', '-y', '--download-only', 'dist-upgrade', ...SERVER], quiet)
    await mkdir(join(cache, name), { recursive: true })
    for (const file of await readdir(archives))
      if (file.endsWith('.deb')) await cp(join(archives, file), join(cache, name, file), { preserveTimestamps: true })
  }
  await rm(root, { recursive: true })
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
