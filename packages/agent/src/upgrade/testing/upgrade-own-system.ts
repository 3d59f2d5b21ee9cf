/**
 * Upgrades the system that this runs on, in an overlay at `<folder>/root`, by a package that brings
 * nothing but another os-release, and prints what became of it. For Debian and its children.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRelease } from '../release.ts'
import { upgradeOperatingSystem } from '../upgrade.ts'
import { buildRepository } from './tiny-distro.ts'

const [folder = ''] = process.argv.slice(2)
const [source, root, work] = [join(folder, 'source'), join(folder, 'root'), join(folder, 'work')]
mkdirSync(work)
const owner = execFileSync('dpkg-query', ['-S', '/usr/lib/os-release'], { encoding: 'utf8' }).split(':')[0] ?? ''
const list = () => execFileSync('find', [join(root, 'etc/apt'), '-ls'], { encoding: 'utf8' })
const policyBefore = existsSync(join(root, 'usr/sbin/policy-rc.d'))
const sources = list()
buildRepository(source, [
  {
    name: owner,
    version: '99',
    fields: ['Essential: yes'],
    files: { 'usr/lib/os-release': 'PRETTY_NAME="Own System 99"\nID=own\nVERSION_ID=99\n' },
    scripts: { postinst: '#!/bin/sh\nls /sys/class/net > /network\n' },
  },
])
const outcome = await upgradeOperatingSystem(
  { kind: 'upgradeOperatingSystem', sourcePath: source, driverPath: undefined, scanOnly: false, timeoutMs: undefined },
  {
    osRoot: root,
    workFolder: work,
    logPath: join(folder, 'smsts.log'),
    log: { write: () => {} },
    endEverything: async () => {},
    onPercent: () => {},
  },
)
const network = existsSync(join(root, 'network')) ? readFileSync(join(root, 'network'), 'utf8').trim() : 'no script ran'
process.stdout.write(
  JSON.stringify({
    outcome,
    release: readRelease(root)?.text,
    policy: existsSync(join(root, 'usr/sbin/policy-rc.d')) && !policyBefore ? 'left behind' : 'absent',
    network,
    sources: list() === sources ? 'as before' : 'changed',
  }),
)
