/**
 * Where apt and dpkg work on a root, offline:
 *
 * - a root with an apt of its own (`usr/bin/apt-get`) is entered: a new mount, process and network
 *   namespace, the package bind-mounted read-only, minimal /dev, and no service is started;
 * - into any other root the host's apt and dpkg reach from outside. Without a shell in the root the
 *   maintainer scripts run outside too and act under `$DPKG_ROOT`.
 *
 * Everything that apt remembers only for the upgrade (lists, configuration, sources) lies in the work
 * folder; the root's own sources stay as they are.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { STEP_PATH } from '../run/command.ts'
import { createStepOutput } from '../run/step-output.ts'
import { UpgradeFailed } from './outcome.ts'
import { followToFile } from './root-path.ts'

export interface AptRoot {
  /** `entered` or `reached`, as above. */
  kind: 'entered' | 'reached'
  /** The package folder as the commands see it. */
  packagePath: string
  /** Words of a `dpkg` or `dpkg-query` command that reach the root. */
  dpkg(program: 'dpkg' | 'dpkg-query', ...words: string[]): string[]
  /** Asks something: returns what the command prints, what it complains about, and its exit code. */
  ask(argv: string[]): Promise<{ code: number; text: string; complaint: string }>
  /**
   * Changes something: output goes to the log file, and status lines of apt to `onStatus`. The command
   * writes into files only, so it goes on when the runner is killed.
   */
  act(argv: string[], onStatus?: (lines: string[]) => void): Promise<number>
}

const LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
const FOLLOW_MS = 200
/** The file descriptor that apt is told to write its status to. */
export const STATUS_FD = 3

/** Sets up an entered root, as root of a new mount namespace, then becomes the command. */
const ENTER = `set -eu
root=$1 package=$2 work=$3
shift 3
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for name in null zero full random urandom tty; do
  : > "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/\${n%%:*}" "$root/dev/\${n#*:}"; done
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mkdir -p "$root/run/lock" "$root/run/sluice/package" "$root/run/sluice/work"
mount --bind "$package" "$root/run/sluice/package"
mount -o remount,bind,ro "$root/run/sluice/package" 2>/dev/null || :
mount --bind "$work" "$root/run/sluice/work"
# Says no to every start of a service. Bound over its place, so that nothing is left of it after a crash
# but, where there was none, an empty file that is not executable and therefore counts for nothing.
printf '#!/bin/sh\\nexit 101\\n' > "$root/run/sluice/policy-rc.d"
chmod 755 "$root/run/sluice/policy-rc.d"
[ -e "$root/usr/sbin/policy-rc.d" ] || (umask 022; : > "$root/usr/sbin/policy-rc.d")
mount --bind "$root/run/sluice/policy-rc.d" "$root/usr/sbin/policy-rc.d"
exec chroot "$root" "$@"
`

export interface AptRootOptions {
  osRoot: string
  /** Folder of the package: a flat apt repository. */
  sourcePath: string
  /** Folder for everything that is only for this upgrade; it stays over attempts. */
  workFolder: string
  /** Takes the output of what changes the system. */
  logPath: string
}

/** Undefined when neither the root nor the host has apt and dpkg. */
export function openAptRoot(options: AptRootOptions): AptRoot | undefined {
  const { osRoot, sourcePath, workFolder, logPath } = options
  const has = (root: string, program: string) => existsSync(followToFile(root, `usr/bin/${program}`))
  const entered = has(osRoot, 'apt-get') && has(osRoot, 'dpkg')
  if (!entered && !(has('/', 'apt-get') && has('/', 'dpkg'))) return undefined

  const work = entered ? '/run/sluice/work' : workFolder
  // apt.conf knows no way to write these.
  for (const path of [osRoot, sourcePath, workFolder])
    if (/["\n]/.test(path)) throw new UpgradeFailed('packageUnusable', `apt cannot work in a folder called ${path}.`)
  const packagePath = entered ? '/run/sluice/package' : sourcePath
  for (const name of ['lists/partial', 'cache/archives/partial', 'tmp', 'nothing'])
    mkdirSync(join(workFolder, name), { recursive: true, mode: 0o700 })
  writeFileSync(join(workFolder, 'sources.list'), `deb [trusted=yes] file:${encodeURI(packagePath)} ./\n`)
  const dpkgOptions = ['--force-confdef', '--force-confold', ...(entered ? [] : reachOptions(osRoot))]
  const configuration = entered ? [] : reachConfiguration(osRoot)
  writeFileSync(join(workFolder, 'apt.conf'), [...configuration, ...commonConfiguration(work, dpkgOptions)].join('\n'))
  if (!entered)
    for (const folder of ['var/lib/apt', 'var/lib/dpkg', 'var/log/apt'])
      mkdirSync(followToFile(osRoot, folder), { recursive: true })

  const environment = {
    PATH: STEP_PATH,
    HOME: entered ? '/root' : workFolder,
    LC_ALL: 'C',
    DEBIAN_FRONTEND: 'noninteractive',
    DEBCONF_NONINTERACTIVE_SEEN: 'true',
    APT_LISTCHANGES_FRONTEND: 'none',
    NEEDRESTART_MODE: 'l',
    APT_CONFIG: `${work}/apt.conf`,
    // The temporary folder of an ordinary user may not belong to the root of a user namespace.
    TMPDIR: entered ? '/tmp' : join(workFolder, 'tmp'),
  }
  const before = entered
    ? [
        ...isolation('--mount', '--pid', '--ipc', '--fork', '--kill-child=KILL'),
        '/bin/sh',
        '-c',
        ENTER,
        'sh',
        osRoot,
        sourcePath,
        workFolder,
      ]
    : isolation()
  const words = (argv: string[]): [string, string[]] => {
    const [program = '', ...rest] = [...before, ...argv]
    return [program, rest]
  }

  return {
    kind: entered ? 'entered' : 'reached',
    packagePath,
    dpkg(program, ...rest) {
      if (entered) return [program, ...(program === 'dpkg' ? dpkgOptions : []), ...rest]
      // dpkg-query of older releases knows no --root.
      return program === 'dpkg'
        ? ['dpkg', ...dpkgOptions, ...rest]
        : ['dpkg-query', `--admindir=${osRoot}/var/lib/dpkg`, ...rest]
    },
    async ask(argv) {
      const [program, rest] = words(argv)
      const child = spawn(program, rest, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
      const [text, complaint] = await Promise.all([collect(child.stdout), collect(child.stderr), ended(child)])
      return { code: child.exitCode ?? -1, text, complaint }
    },
    async act(argv, onStatus = () => {}) {
      const [program, rest] = words(argv)
      const status = createStepOutput(join(workFolder, 'status'), onStatus)
      const log = openSync(logPath, 'a', 0o600)
      const child = spawn(program, rest, { env: environment, stdio: ['ignore', log, log, status.fd] })
      const follower = setInterval(status.follow, FOLLOW_MS)
      const code = await ended(child)
      clearInterval(follower)
      closeSync(log)
      status.end()
      return code
    },
  }
}

/** Removes what an entered root got for the time of the upgrade and would otherwise keep. */
export function leaveAptRoot(osRoot: string): void {
  const placeholder = followToFile(osRoot, 'usr/sbin/policy-rc.d')
  const facts = statSync(placeholder, { throwIfNoEntry: false })
  if (facts?.size === 0 && (facts.mode & 0o111) === 0) rmSync(placeholder)
}

function reachOptions(osRoot: string): string[] {
  const shell = existsSync(followToFile(osRoot, 'bin/sh'))
  return [
    `--root=${osRoot}`,
    '--force-not-root',
    ...(shell ? [] : ['--force-script-chrootless']),
    `--log=${osRoot}/var/log/dpkg.log`,
  ]
}

const reachConfiguration = (osRoot: string) => [
  `Dir "${osRoot}/";`,
  'Dir::Bin::dpkg "/usr/bin/dpkg";',
  `Dir::State::status "${osRoot}/var/lib/dpkg/status";`,
]

const commonConfiguration = (work: string, dpkgOptions: string[]) => [
  `Dir::Etc::sourcelist "${work}/sources.list";`,
  `Dir::Etc::sourceparts "${work}/nothing/";`,
  // Pins of the old release would hold packages of the new one back.
  `Dir::Etc::preferences "${work}/nothing/preferences";`,
  `Dir::Etc::preferencesparts "${work}/nothing/";`,
  `Dir::State::lists "${work}/lists/";`,
  `Dir::Cache "${work}/cache/";`,
  `DPkg::Options { ${dpkgOptions.map((option) => `"${option}";`).join(' ')} };`,
  'DPkg::Use-Pty "0";',
  'APT::Sandbox::User "root";',
  'APT::Get::Assume-Yes "1";',
  'Acquire::Languages "none";',
  'Acquire::Check-Valid-Until "0";',
  '',
]

/**
 * Words before a command: no network, and for an ordinary user the rights of root over what belongs
 * to the user. Where the system gives no network namespace, the command runs without: its sources
 * are files anyway.
 */
function isolation(...namespaces: string[]): string[] {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const full = ['unshare', ...user, '--net', ...namespaces, '--']
  if (spawnSync(full[0] as string, [...full.slice(1), 'true'], { stdio: 'ignore' }).status === 0) return full
  return user.length + namespaces.length === 0 ? [] : ['unshare', ...user, ...namespaces, '--']
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? -1))
  })
}

async function collect(stream: Readable): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  for await (const piece of stream) if (text.length < LARGEST_ANSWER_BYTES) text += piece
  return text
}
