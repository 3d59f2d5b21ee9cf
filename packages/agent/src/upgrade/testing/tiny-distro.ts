/**
 * A distribution of four packages in two releases, built with the real `dpkg-deb`, for tests: a
 * changed conffile, a renamed package, a removal, maintainer scripts that act under `$DPKG_ROOT`.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface Described {
  name: string
  version: string
  fields?: string[]
  files: Record<string, string>
  conffiles?: string[]
  scripts?: Record<string, string>
}

/** A script that fails while `/fail-<what>` is in the root, and takes its time. */
const script = (what: string) =>
  `#!/bin/sh\n[ -e "$DPKG_ROOT/fail-${what}" ] && exit 30\necho "${what} $1" >> "$DPKG_ROOT/var/log/tiny.log"\nsleep 0.05\n`

const releases = (n: 1 | 2): Described[] => [
  {
    name: 'tiny-base',
    version: `${n}.0`,
    fields: ['Essential: yes'],
    files: {
      'usr/lib/os-release': `PRETTY_NAME="Tiny ${n}"\nID=tiny\nVERSION_ID="${n}"\n`,
      'etc/tiny.conf': `release=${n}\n`,
      'etc/other.conf': `release=${n}\n`,
      'var/log/tiny.log': '',
    },
    conffiles: ['/etc/tiny.conf', '/etc/other.conf'],
  },
  {
    name: n === 1 ? 'tiny-net' : 'tiny-network',
    version: `${n}.0`,
    fields: n === 1 ? [] : ['Conflicts: tiny-net', 'Replaces: tiny-net', 'Provides: tiny-net'],
    files: { 'usr/bin/net': `net ${n}\n` },
    scripts: { preinst: script(`net-${n}`) },
  },
  ...(n === 1 ? [{ name: 'tiny-legacy', version: '1.0', files: { 'usr/bin/legacy': 'legacy\n' } }] : []),
  {
    name: 'tiny-desktop',
    version: `${n}.0`,
    fields: [
      `Depends: tiny-base (>= ${n}), ${n === 1 ? 'tiny-net, tiny-legacy' : 'tiny-network'}`,
      ...(n === 2 ? ['Breaks: tiny-legacy'] : []),
    ],
    files: { 'usr/share/tiny/wallpaper': `wallpaper ${n}\n`.repeat(20_000) },
    scripts: { postinst: script(`desktop-${n}`) },
  },
]

/** Writes release `n` as a flat repository. */
export function buildTinyRelease(n: 1 | 2, folder: string): void {
  buildRepository(folder, releases(n))
}

export function buildRepository(folder: string, packages: Described[]): void {
  mkdirSync(folder, { recursive: true })
  for (const described of packages) buildPackage(described, folder)
  const entries = readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => {
      const path = join(folder, name)
      const control = execFileSync('dpkg-deb', ['--field', path], { encoding: 'utf8' }).trimEnd()
      const hash = createHash('sha256').update(readFileSync(path)).digest('hex')
      return `${control}\nFilename: ./${name}\nSize: ${statSync(path).size}\nSHA256: ${hash}\n`
    })
  writeFileSync(join(folder, 'Packages'), entries.join('\n'))
}

/** Installs what a repository offers into a new root, with the host's dpkg. @param before words that give root's rights */
export function installTiny(repository: string, root: string, before: string[] = []): void {
  for (const folder of ['var/lib/dpkg/info', 'var/lib/dpkg/updates', 'var/log', 'etc'])
    mkdirSync(join(root, folder), { recursive: true })
  writeFileSync(join(root, 'var/lib/dpkg/status'), '')
  const debs = readdirSync(repository).filter((name) => name.endsWith('.deb'))
  const [program = 'dpkg', ...words] = [...before, 'dpkg']
  const options = [`--root=${root}`, '--force-not-root', '--force-script-chrootless', `--log=${root}/var/log/dpkg.log`]
  const quiet = { stdio: 'ignore', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } } as const
  execFileSync(program, [...words, ...options, '-i', ...debs.map((deb) => join(repository, deb))], quiet)
  // As apt would have noted them: all but the desktop came as dependencies.
  mkdirSync(join(root, 'var/lib/apt'), { recursive: true })
  const automatic = ['tiny-net', 'tiny-legacy'].map(
    (name) => `Package: ${name}\nArchitecture: all\nAuto-Installed: 1\n`,
  )
  writeFileSync(join(root, 'var/lib/apt/extended_states'), automatic.join('\n'))
}

/** What dpkg says about a root: `name version status` a line; and its audit, which should be empty. */
export function tinyState(root: string): { packages: string[]; audit: string } {
  const ask = (program: string, ...words: string[]) => execFileSync(program, words, { encoding: 'utf8' })
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the format is dpkg-query's
  const format = '${Package} ${Version} ${db:Status-Abbrev}\n'
  return {
    packages: ask('dpkg-query', `--admindir=${root}/var/lib/dpkg`, '-W', '-f', format)
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean),
    audit: ask('dpkg', `--admindir=${root}/var/lib/dpkg`, '--audit'),
  }
}

function buildPackage(described: Described, folder: string): void {
  const tree = join(folder, `.${described.name}`)
  const put = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), text)
    chmodSync(join(tree, path), mode)
  }
  for (const [path, text] of Object.entries(described.files)) put(path, text)
  const control = [
    `Package: ${described.name}`,
    `Version: ${described.version}`,
    'Architecture: all',
    'Maintainer: Test <test@sluice.invalid>',
    'Priority: optional',
    ...(described.fields ?? []),
    `Description: ${described.name}`,
  ]
  put('DEBIAN/control', `${control.join('\n')}\n`)
  if (described.conffiles !== undefined) put('DEBIAN/conffiles', `${described.conffiles.join('\n')}\n`)
  for (const [name, text] of Object.entries(described.scripts ?? {})) put(`DEBIAN/${name}`, text, 0o755)
  chmodSync(join(tree, 'DEBIAN'), 0o755)
  const deb = join(folder, `${described.name}_${described.version}_all.deb`)
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, deb], { stdio: 'ignore' })
  rmSync(tree, { recursive: true })
}
