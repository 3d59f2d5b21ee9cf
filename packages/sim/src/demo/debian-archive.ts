/**
 * Builds Debian packages with the real `dpkg-deb`, and the index of a flat repository of them, as
 * `apt` reads it. Needs nothing but `dpkg`.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface DebianPackage {
  name: string
  version: string
  /** Further control fields, as in `Depends: minios-base (>= 2)`. */
  fields?: string[]
  /** Path in the root, without a leading slash, to the file's bytes or to a link. */
  files: Record<string, string | Uint8Array | { link: string }>
  /** Paths among the files that the administrator may change. */
  conffiles?: string[]
  /** Maintainer scripts; they act under `$DPKG_ROOT`, since the root may have no shell. */
  scripts?: Partial<Record<'preinst' | 'postinst' | 'prerm' | 'postrm', string>>
}

/** Writes `<name>_<version>_all.deb` into `folder`. */
export async function buildPackage(described: DebianPackage, folder: string): Promise<void> {
  const tree = join(folder, `.${described.name}`)
  await mkdir(join(tree, 'DEBIAN'), { recursive: true })
  for (const [path, content] of Object.entries(described.files)) {
    const full = join(tree, path)
    await mkdir(dirname(full), { recursive: true })
    if (typeof content === 'object' && 'link' in content) await symlink(content.link, full)
    else await writeFile(full, content)
  }
  const control = [
    `Package: ${described.name}`,
    `Version: ${described.version}`,
    'Architecture: all',
    'Maintainer: Sluice demo <demo@sluice.invalid>',
    // Not `required`: apt would never remove what a release no longer needs.
    'Priority: optional',
    'Section: admin',
    ...(described.fields ?? []),
    `Description: ${described.name} of the demo distribution`,
  ]
  await writeFile(join(tree, 'DEBIAN/control'), `${control.join('\n')}\n`)
  if (described.conffiles) await writeFile(join(tree, 'DEBIAN/conffiles'), `${described.conffiles.join('\n')}\n`)
  for (const [name, text] of Object.entries(described.scripts ?? {})) {
    await writeFile(join(tree, 'DEBIAN', name), text)
    await chmod(join(tree, 'DEBIAN', name), 0o755)
  }
  const deb = join(folder, `${described.name}_${described.version}_all.deb`)
  // dpkg-deb refuses a control folder that a narrow umask made unreadable.
  await chmod(join(tree, 'DEBIAN'), 0o755)
  await run('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '--build', tree, deb])
  await rm(tree, { recursive: true })
}

/** Writes `Packages` and `Release` for the packages that lie in `folder`. */
export async function writeIndex(folder: string, codename: string): Promise<void> {
  const entries: string[] = []
  for (const name of (await readdir(folder)).filter((n) => n.endsWith('.deb')).sort()) {
    const path = join(folder, name)
    const { stdout: control } = await run('dpkg-deb', ['--field', path])
    entries.push(
      `${control.trimEnd()}\nFilename: ./${name}\nSize: ${(await stat(path)).size}\nSHA256: ${await sha256(path)}\n`,
    )
  }
  const packages = entries.join('\n')
  await writeFile(join(folder, 'Packages'), packages)
  const hash = createHash('sha256').update(packages).digest('hex')
  await writeFile(
    join(folder, 'Release'),
    `Origin: Sluice demo\nSuite: ${codename}\nCodename: ${codename}\nDate: ${new Date().toUTCString().replace('GMT', 'UTC')}\n` +
      `SHA256:\n ${hash} ${Buffer.byteLength(packages)} Packages\n`,
  )
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return hash.digest('hex')
}
