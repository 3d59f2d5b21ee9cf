/**
 * MiniOS: a distribution of a handful of packages, built with the real `dpkg-deb`. Release 1 is
 * installed into a throw-away root by the real `apt` and `dpkg`; release 2 is the content of the
 * OS upgrade package. Between the two: a changed conffile, a renamed package, a new dependency and
 * a removal. Nothing runs inside the root, so it needs no shell and no privilege.
 */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildPackage, type DebianPackage, writeIndex } from './debian-archive.ts'
import { seededBytes } from './seeded-bytes.ts'

const run = promisify(execFile)
const MiB = 1024 * 1024

const log = (what: string) => `#!/bin/sh\nset -e\necho "${what} $1" >> "$DPKG_ROOT/var/log/minios.log"\n`

function release(n: 1 | 2): DebianPackage[] {
  const codename = n === 1 ? 'alpha' : 'beta'
  const network = n === 1 ? 'minios-net' : 'minios-network'
  return [
    {
      name: 'minios-base',
      version: `${n}.0`,
      fields: ['Essential: yes', ...(n === 2 ? ['Depends: minios-crypto'] : [])],
      files: {
        'etc/os-release': { link: '../usr/lib/os-release' },
        'usr/lib/os-release': `PRETTY_NAME="MiniOS ${n} (${codename})"\nNAME="MiniOS"\nID=minios\nVERSION_ID="${n}"\nVERSION_CODENAME=${codename}\n`,
        'etc/minios/minios.conf': `# Settings of MiniOS ${n}\nrelease=${n}\n${n === 2 ? 'crypto=on\n' : ''}`,
        'var/log/minios.log': '',
      },
      conffiles: ['/etc/minios/minios.conf'],
    },
    // New in release 2: a dependency that release 1 did not have.
    ...(n === 2
      ? [{ name: 'minios-crypto', version: '2.0', files: { 'usr/lib/minios/crypto': seededBytes('crypto', MiB) } }]
      : []),
    {
      name: `minios-kernel-${n}`,
      version: `${n}.0`,
      fields: ['Depends: minios-base'],
      files: { [`boot/vmlinuz-${n}`]: seededBytes(`kernel-${n}`, 12 * MiB) },
      scripts: {
        postinst: `#!/bin/sh\nset -e\nln -sf vmlinuz-${n} "$DPKG_ROOT/boot/vmlinuz"\necho "kernel ${n} $1" >> "$DPKG_ROOT/var/log/minios.log"\n`,
      },
    },
    { name: 'minios-kernel', version: `${n}.0`, fields: [`Depends: minios-kernel-${n}`], files: {} },
    // Renamed in release 2.
    {
      name: network,
      version: `${n}.0`,
      ...(n === 2 ? { fields: ['Conflicts: minios-net', 'Replaces: minios-net', 'Provides: minios-net'] } : {}),
      files: { 'usr/bin/net': seededBytes(network, 2 * MiB) },
      scripts: { preinst: log(network) },
    },
    // Gone in release 2: nothing needs it any more.
    ...(n === 1
      ? [{ name: 'minios-legacy', version: '1.0', files: { 'usr/bin/legacy': seededBytes('legacy', MiB) } }]
      : []),
    {
      name: 'minios-desktop',
      version: `${n}.0`,
      fields: [
        `Depends: minios-base (>= ${n}), minios-kernel (= ${n}.0), ${network}${n === 1 ? ', minios-legacy' : ''}`,
        ...(n === 2 ? ['Breaks: minios-legacy'] : []),
      ],
      files: { 'usr/share/minios/wallpaper': seededBytes(`wallpaper-${n}`, 6 * MiB) },
      scripts: { postinst: log('desktop') },
    },
  ]
}

/** Builds a release as a flat repository that `apt` can use offline. */
export async function buildRelease(n: 1 | 2, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const described of release(n)) await buildPackage(described, folder)
  await writeIndex(folder, n === 1 ? 'alpha' : 'beta')
}

/**
 * Installs release 1 from its repository into a new root, by the host's own apt.
 * @param asRoot words to put before a command so that it runs with root's rights over the root:
 * none for root itself, a user namespace for everybody else
 */
export async function installRelease1(repository: string, root: string, asRoot: string[]): Promise<void> {
  for (const folder of [
    'var/lib/dpkg/info',
    'var/lib/dpkg/updates',
    'var/lib/apt/lists/partial',
    'var/cache/apt/archives/partial',
    'var/log/apt',
    'etc/apt/apt.conf.d',
    'etc/apt/preferences.d',
    'etc/apt/trusted.gpg.d',
    'tmp',
  ])
    await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, 'var/lib/dpkg/status'), '')
  await writeFile(join(root, 'var/lib/dpkg/available'), '')
  await writeFile(join(root, 'etc/apt/sources.list'), `deb [trusted=yes] file:${repository} ./\n`)
  const configuration = join(root, 'etc/apt/install.conf')
  await writeFile(
    configuration,
    [
      `Dir "${root}/";`,
      'Dir::Bin::dpkg "/usr/bin/dpkg";',
      `Dir::State::status "${root}/var/lib/dpkg/status";`,
      `DPkg::Options { "--root=${root}"; "--force-not-root"; "--force-script-chrootless"; "--log=${root}/var/log/dpkg.log"; };`,
      'DPkg::Use-Pty "0";',
      'APT::Sandbox::User "root";',
      'Acquire::Languages "none";',
      'APT::Install-Recommends "0";',
    ].join('\n'),
  )
  const environment = {
    ...process.env,
    APT_CONFIG: configuration,
    DEBIAN_FRONTEND: 'noninteractive',
    LC_ALL: 'C',
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  }
  for (const order of [['update'], ['-y', 'install', 'minios-desktop']]) {
    const words = [...asRoot, 'apt-get', '-qq', ...order]
    await run(words[0] ?? '', words.slice(1), { env: environment })
  }
}
