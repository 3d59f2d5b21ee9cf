/**
 * Updates the system that this runs on, in an overlay at `<folder>/root`, from two repositories in it:
 * one of ordinary updates and one for security. Prints what became of each try. For Debian and its children.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { identify } from '../../run/session.ts'
import { installUpdates } from '../software-updates.ts'
import { buildRepository } from './tiny-distro.ts'

const [folder = ''] = process.argv.slice(2)
const root = join(folder, 'root')
const inside = (...words: string[]) => execFileSync('chroot', [root, ...words], { encoding: 'utf8' })
const runner = identify(process.pid)
if (runner === undefined) throw new Error('this process is not in /proc')

/** A repository in the root that offers one package. @param label what apt calls it by */
function offer(label: string, name: string, version: string, postinst = 'exit 0') {
  const repository = join(root, 'srv', label)
  rmSync(repository, { recursive: true, force: true })
  const scripts = { postinst: `#!/bin/sh\n${postinst}\n` }
  buildRepository(repository, [{ name, version, files: { [`usr/share/${name}`]: version }, scripts }])
  const index = readFileSync(join(repository, 'Packages'))
  const hash = createHash('sha256').update(index).digest('hex')
  const head = `Label: ${label}\nSuite: tiny\nDate: ${new Date().toUTCString()}\n`
  writeFileSync(join(repository, 'Release'), `${head}SHA256:\n ${hash} ${index.length} Packages\n`)
}

async function update(target: 'all' | 'mandatory') {
  const words = { kind: 'softwareUpdates', target, timeoutMs: undefined } as const
  const at = { runner, log: { write: () => {} }, osRoot: root, outputPath: join(folder, 'output') }
  const outcome = await installUpdates(words, at as Parameters<typeof installUpdates>[1])
  return {
    exitCode: outcome.kind === 'exited' ? outcome.exitCode : outcome.kind,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the format is dpkg-query's
    versions: inside('dpkg-query', '-W', '-f', '${Version} ', 'tiny-game', 'tiny-tool').trim(),
  }
}

execFileSync('mount', ['--rbind', '/dev', join(root, 'dev')])
execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(root, 'run')])
rmSync(join(root, 'etc/apt'), { recursive: true })
for (const part of ['apt.conf.d', 'preferences.d', 'sources.list.d', 'trusted.gpg.d'])
  mkdirSync(join(root, 'etc/apt', part), { recursive: true })
// A user namespace may have no other account.
writeFileSync(join(root, 'etc/apt/apt.conf.d/tiny'), 'APT::Sandbox::User "root";\n')
const source = (label: string) => `deb [trusted=yes] file:/srv/${label} ./\n`
writeFileSync(join(root, 'etc/apt/sources.list'), source('Tiny') + source('Tiny-Security'))

offer('Tiny', 'tiny-game', '1')
offer('Tiny-Security', 'tiny-tool', '1')
inside('dpkg', '-i', '/srv/Tiny/tiny-game_1_all.deb', '/srv/Tiny-Security/tiny-tool_1_all.deb')
const nothing = await update('all')
offer('Tiny', 'tiny-game', '2')
offer('Tiny-Security', 'tiny-tool', '2')
const security = await update('mandatory')
const all = await update('all')
const again = await update('all')
offer('Tiny', 'tiny-game', '3', ': > /run/reboot-required')
const restart = await update('all')
rmSync(join(root, 'run/reboot-required'))
offer('Tiny', 'tiny-game', '4', 'exit 1')
const failing = await update('all')
rmSync(join(root, 'srv/Tiny'), { recursive: true })
const broken = await update('all')
process.stdout.write(JSON.stringify({ nothing, security, all, again, restart, failing, broken }))
