/**
 * The operating system that a demo upgrades: how its root of release 1 is made, and the folder that
 * becomes the OS upgrade package.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { asRoot } from '../device/device.ts'
import { bootstrapRelease, buildUpgradePackage, configuredMirror, copyRoot, hasProgram } from './debian-release.ts'
import { buildRelease, installRelease1 } from './mini-distro.ts'
import { seededBytes } from './seeded-bytes.ts'

export interface DemoSystem {
  /** For people, before the demo begins. */
  introduction: string
  /** Name of the release that the upgrade leads to, as its os-release has it in front. */
  target: string
  /** Makes the root of release 1 at `root` and the OS upgrade package's source at `upgrade`. */
  prepare(root: string, upgrade: string): Promise<void>
}

const MiB = 1024 * 1024

/** MiniOS with the real dpkg and apt where there are any, else an upgrade made of files. */
export async function chooseSystem(): Promise<DemoSystem> {
  const haveApt = (await hasProgram('dpkg')) && (await hasProgram('dpkg-deb')) && (await hasProgram('apt-get'))
  return haveApt ? miniOs : filesOs
}

const miniOs: DemoSystem = {
  introduction: 'The demo upgrades MiniOS 1 to MiniOS 2 with the real dpkg and apt, in a root of its own.',
  target: 'MiniOS 2',
  async prepare(root, upgrade) {
    const repository = join(dirname(root), 'minios-1')
    await buildRelease(1, repository)
    await buildRelease(2, upgrade)
    await installRelease1(repository, root, asRoot())
  },
}

/** Exported for its test: everywhere but on Debian this is what the demo upgrades. */
export const filesOs: DemoSystem = {
  introduction:
    'This system has no dpkg and apt: the demo upgrades a portable MiniOS that is made of files, in a root of its own.',
  target: 'MiniOS 2',
  async prepare(root, upgrade) {
    const osRelease = (n: 1 | 2) =>
      `PRETTY_NAME="MiniOS ${n} (portable)"\nNAME="MiniOS"\nID=minios\nVERSION_ID="${n}"\n`
    await write(join(root, 'usr/lib/os-release'), osRelease(1))
    await write(join(root, 'etc/os-release'), osRelease(1))
    await write(join(root, 'etc/minios/minios.conf'), 'release=1\n')
    await write(join(root, 'usr/bin/net'), seededBytes('net', 2 * MiB))
    await write(join(root, 'usr/bin/legacy'), seededBytes('legacy', MiB))

    await write(join(upgrade, 'tree/usr/lib/os-release'), osRelease(2))
    await write(join(upgrade, 'tree/etc/os-release'), osRelease(2))
    await write(join(upgrade, 'tree/etc/minios/minios.conf'), 'release=2\n')
    await write(join(upgrade, 'tree/usr/bin/network'), seededBytes('network', 2 * MiB))
    await write(join(upgrade, 'tree/boot/kernel'), seededBytes('kernel', 16 * MiB))
    await write(
      join(upgrade, 'upgrade.json'),
      JSON.stringify({
        format: 'sluice-files-upgrade/1',
        from: [{ id: 'minios', version: '1' }],
        to: { id: 'minios', version: '2' },
        remove: ['usr/bin/net', 'usr/bin/legacy'],
      }),
    )
  },
}

/**
 * A real Debian 12 that becomes Debian 13.
 * @param cache folder that keeps root and package for the next time
 * @returns why it cannot be done here, or the system
 */
export async function debianSystem(cache: string, log: (line: string) => void): Promise<DemoSystem | string> {
  if (process.getuid?.() !== 0) return 'it needs root: debootstrap makes a system of another release'
  for (const program of ['debootstrap', 'dpkg-deb', 'apt-get', 'chroot'])
    if (!(await hasProgram(program))) return `it needs ${program}`
  const mirror = await configuredMirror()
  if (mirror === undefined) return 'the apt of this machine is configured with no Debian mirror'
  return {
    introduction: 'The demo upgrades a real Debian 12 to Debian 13, offline, in a root of its own.',
    target: 'Debian GNU/Linux 13',
    async prepare(root, upgrade) {
      log('making a minimal Debian 12 (about a minute the first time)')
      const pristine = await bootstrapRelease('bookworm', mirror, cache)
      log('collecting the packages that take it to Debian 13')
      await copyRoot(await buildUpgradePackage(pristine, 'trixie', mirror, cache), upgrade)
      await copyRoot(pristine, root)
    },
  }
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}
