/**
 * An upgrade by apt, offline. The package is a flat repository (`Packages`, the .debs and, if it has
 * one, `Release`) of what takes the root from its release to the next.
 *
 *   U1. An exit code of 0 proves nothing: apt ends so with 0 packages upgraded when its lists are
 *       wrong. Proof is the state afterwards: dpkg's audit is clean, apt has nothing left to do, the
 *       package that owns os-release has the version that the repository offers, and os-release
 *       is another than before.
 *   U2. Running it again after any crash completes the upgrade: first the damage is repaired from the
 *       repository (packages that dpkg wants to have reinstalled are unpacked again, then configured,
 *       then apt mends the dependencies, in rounds), then everything goes on as usual.
 *   U3. What os-release said before the first try is written down, so that a later try can compare.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TraceLog } from '../run/cmtrace-log.ts'
import { writeDurable } from '../state/durable-file.ts'
import { type OfferedPackage, readRepository } from './apt-repository.ts'
import { type AptRoot, leaveAptRoot, openAptRoot, STATUS_FD } from './apt-root.ts'
import { UpgradeFailed } from './outcome.ts'
import { readRelease } from './release.ts'

export const APT_INDEX = 'Packages'
const REPAIR_ROUNDS = 5
const APT_GET = ['apt-get', '-q', '-y', '-o', `APT::Status-Fd=${STATUS_FD}`]

export interface AptCircumstances {
  sourcePath: string
  osRoot: string
  scanOnly: boolean
  workFolder: string
  /** Takes the output of apt and dpkg. */
  logPath: string
  log: TraceLog
  onPercent: (percent: number) => void
}

/** What the system was before the first try (U3). */
interface Before {
  release: string
  /** Version of the package that owns os-release. */
  version: string
}

/** Returns what happened, for people. Throws `UpgradeFailed`. */
export async function upgradeByApt(at: AptCircumstances): Promise<string> {
  const root = openAptRoot(at)
  if (root === undefined)
    throw new UpgradeFailed(
      'noBackend',
      'The package is for apt, and neither the root nor this system has apt and dpkg.',
    )
  const say = (text: string) => at.log.write({ text, component: 'OSUpgrade', level: 'info' })
  say(root.kind === 'entered' ? 'The root has its own apt: entering it.' : 'The root is reached from outside.')
  try {
    if ((await root.act(['apt-get', '-q', 'update'])) !== 0)
      throw new UpgradeFailed('packageUnusable', 'apt cannot read the repository of the package.')
    const owner = await findOwner(root, at.sourcePath)
    if (at.scanOnly) return await scan(root)

    const before = await remember(at, owner.version)
    await repair(root, at, say)
    const plan = await planned(root)
    say(`Planned: ${plan.length} changes.`)
    await install(root, at, ['full-upgrade'])
    await install(root, at, ['--purge', 'autoremove'])
    await prove(root, at, owner, before)
    const after = readRelease(at.osRoot)
    at.onPercent(100)
    return `${after?.name ?? 'The system'} is installed: ${plan.length} changes.`
  } finally {
    if (root.kind === 'entered') leaveAptRoot(at.osRoot)
  }
}

async function scan(root: AptRoot): Promise<string> {
  const plan = await planned(root)
  return `The upgrade would make ${plan.length} changes.\n${plan.slice(0, 10).join('\n')}`
}

async function install(root: AptRoot, at: AptCircumstances, words: string[]): Promise<void> {
  const code = await root.act([...APT_GET, ...words], (lines) => {
    for (const line of lines) {
      // pmstatus:<package>:<percent>:<text>, from apt's README.progress-reporting.
      const percent = Number(/^pmstatus:[^:]*(?::[a-z0-9]+)?:([0-9.]+):/.exec(line)?.[1])
      if (percent >= 0) at.onPercent(Math.min(99, Math.floor(percent)))
    }
  })
  if (code !== 0) throw new UpgradeFailed('installerFailed', `apt-get ${words.join(' ')} ended with ${code}.`)
}

/** What a full upgrade would do: lines `Inst …` and `Remv …` of the simulation. */
async function planned(root: AptRoot): Promise<string[]> {
  const { code, text, complaint } = await root.ask(['apt-get', '-q', '-s', 'full-upgrade'])
  if (code !== 0)
    throw new UpgradeFailed('notApplicable', `apt finds no way to the new release:\n${complaint.slice(-800)}`)
  return text.split('\n').filter((line) => /^(Inst|Remv) /.test(line))
}

/** The package that owns os-release, its installed version, and what the repository offers of it. */
interface Owner {
  name: string
  version: string
  offered: string[]
}

async function findOwner(root: AptRoot, sourcePath: string): Promise<Owner> {
  const { text, complaint } = await root.ask(root.dpkg('dpkg-query', '-S', '/usr/lib/os-release', '/etc/os-release'))
  const [, name] = /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9]+)?: /m.exec(text) ?? []
  if (name === undefined)
    throw new UpgradeFailed('notApplicable', `No installed package owns os-release:\n${complaint.slice(-500)}`)
  const offered = (await readRepository(sourcePath)).filter((one) => one.name === name).map((one) => one.version)
  const version = await installedVersion(root, name)
  if (offered.length === 0)
    throw new UpgradeFailed('notApplicable', `The package does not bring ${name}: it is no upgrade of this system.`)
  return { name, version, offered }
}

async function installedVersion(root: AptRoot, name: string): Promise<string> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the format is dpkg-query's
  return (await root.ask(root.dpkg('dpkg-query', '-W', '-f', '${Version}\n', name))).text.trim().split('\n')[0] ?? ''
}

/** U3 */
async function remember(at: AptCircumstances, version: string): Promise<Before> {
  const path = join(at.workFolder, 'before.json')
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'))
  const before: Before = { release: readRelease(at.osRoot)?.text ?? '', version }
  await writeDurable(path, JSON.stringify(before))
  return before
}

/** U2. Brings the dpkg database of a broken-off upgrade back to a state that apt works with. */
async function repair(root: AptRoot, at: AptCircumstances, say: (text: string) => void): Promise<void> {
  if (await clean(root)) return
  say('An earlier try was broken off: repairing what it left.')
  const offered = await readRepository(at.sourcePath)
  for (let round = 1; round <= REPAIR_ROUNDS; round++) {
    for (const { name, architecture } of await torn(root)) {
      const fits = (one: OfferedPackage) =>
        one.name === name && (one.architecture === architecture || one.architecture === 'all')
      const file = offered.find(fits)?.file
      if (file === undefined) continue
      const path = join(root.packagePath, file)
      await root.act(root.dpkg('dpkg', '--force-depends', '--force-breaks', '--unpack', path))
    }
    await root.act(root.dpkg('dpkg', '--configure', '-a'))
    await root.act([...APT_GET, '-f', 'install'])
    await root.act(root.dpkg('dpkg', '--configure', '-a'))
    if (await clean(root)) return
    say(`Repair, round ${round}: not clean yet.`)
  }
  throw new UpgradeFailed(
    'installerFailed',
    'The packages that an earlier try left half installed could not be repaired.',
  )
}

/** Packages that only unpacking them again can mend. */
async function torn(root: AptRoot): Promise<{ name: string; architecture: string }[]> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the format is dpkg-query's
  const format = '${db:Status-Eflag} ${db:Status-Status} ${Package} ${Architecture}\n'
  const { text } = await root.ask(root.dpkg('dpkg-query', '-W', '-f', format))
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([flag, status]) => flag === 'reinstreq' || status === 'half-installed')
    .map(([, , name = '', architecture = '']) => ({ name, architecture }))
}

async function clean(root: AptRoot): Promise<boolean> {
  const audit = await root.ask(root.dpkg('dpkg', '--audit'))
  if (audit.code !== 0 || audit.text.trim() !== '') return false
  return (await torn(root)).length === 0 && (await root.ask(['apt-get', '-q', 'check'])).code === 0
}

/** U1 */
async function prove(root: AptRoot, at: AptCircumstances, owner: Owner, before: Before): Promise<void> {
  const fault = async (): Promise<string | undefined> => {
    if (!(await clean(root))) return 'dpkg --audit or apt-get check still complain'
    const left = await planned(root)
    if (left.length > 0) return `apt still has ${left.length} changes to make, the first: ${left[0]}`
    const version = await installedVersion(root, owner.name)
    if (!owner.offered.includes(version))
      return `${owner.name} has version ${version}, not ${owner.offered.join(' or ')}`
    const changed = readRelease(at.osRoot)?.text !== before.release
    if (!changed && !owner.offered.includes(before.version)) return 'os-release says what it said before'
    return undefined
  }
  const found = await fault()
  if (found !== undefined) throw new UpgradeFailed('notUpgraded', `apt ended without a failure, but ${found}.`)
}
