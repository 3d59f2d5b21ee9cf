/**
 * A real Debian for the demo: a minimal root of one release from the mirror that this machine's apt
 * is configured with, and a package of exactly the .debs that take it to the next. Root only. Both
 * are kept in a cache folder, so that the second demo needs no network.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeIndex } from './debian-archive.ts'

const run = promisify(execFile)
const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }, maxBuffer: 64 * 1024 * 1024 }

/** The archive that this machine's apt uses for Debian itself; undefined when there is none. */
export async function configuredMirror(): Promise<string | undefined> {
  const { stdout } = await run(
    'apt-get',
    ['indextargets', '--format', '$(LABEL)|$(COMPONENT)|$(REPO_URI)', 'Created-By: Packages'],
    quiet,
  )
  const rows = stdout.split('\n').map((line) => line.split('|'))
  // Without package lists apt knows no label yet, only the address.
  const row =
    rows.find(([label, component]) => label === 'Debian' && component === 'main') ??
    rows.find(([, component, uri]) => component === 'main' && uri !== undefined && !/security|updates/.test(uri))
  return row?.[2]
}

/** Whether a program can be found in the usual places. */
export async function hasProgram(name: string): Promise<boolean> {
  for (const folder of ['/usr/sbin', '/usr/bin', '/sbin', '/bin'])
    if (
      await access(join(folder, name), constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true
  return false
}

/** Makes the minimal root of a release in `cache`, once, and returns its folder. */
export async function bootstrapRelease(release: string, mirror: string, cache: string): Promise<string> {
  const root = join(cache, release)
  if (await exists(root)) return root
  const unfinished = `${root}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(cache, { recursive: true })
  await run('debootstrap', ['--variant=minbase', release, unfinished, mirror], quiet)
  await run('chroot', [unfinished, 'apt-get', 'clean'], quiet)
  await rename(unfinished, root)
  return root
}

/** Copies a root with everything that belongs to it, device files included. */
export async function copyRoot(from: string, to: string): Promise<void> {
  await run('cp', ['--archive', '--reflink=auto', from, to], quiet)
}

/**
 * Builds the OS upgrade package that takes `root` to `release`: a flat repository of the packages
 * that a full upgrade fetches, found out in a copy of the root.
 */
export async function buildUpgradePackage(
  root: string,
  release: string,
  mirror: string,
  cache: string,
): Promise<string> {
  const folder = join(cache, `upgrade-to-${release}`)
  if (await exists(folder)) return folder
  const copy = join(cache, `${release}.planning`)
  const unfinished = `${folder}.unfinished`
  for (const leftover of [copy, unfinished]) await rm(leftover, { recursive: true, force: true })
  await copyRoot(root, copy)
  await rm(join(copy, 'etc/apt/sources.list.d'), { recursive: true, force: true })
  await writeFile(join(copy, 'etc/apt/sources.list'), `deb ${mirror} ${release} main\n`)
  await copyFile('/etc/resolv.conf', join(copy, 'etc/resolv.conf'))
  await run('chroot', [copy, 'apt-get', '-q', 'update'], quiet)
  await run('chroot', [copy, 'apt-get', '-q', '-y', '--download-only', 'full-upgrade'], quiet)
  await mkdir(unfinished)
  const archives = join(copy, 'var/cache/apt/archives')
  for (const name of await readdir(archives))
    if (name.endsWith('.deb')) await copyFile(join(archives, name), join(unfinished, name))
  await writeIndex(unfinished, release)
  await rm(copy, { recursive: true, force: true })
  await rename(unfinished, folder)
  return folder
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
