/** The action *Install Software Updates*: apt of the device's root, with its own sources. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Action, ActionOutcome } from '@sluice/engine'
import type { TraceLog } from '../run/cmtrace-log.ts'
import { runCommand } from '../run/command.ts'
import type { ProcessIdentity } from '../run/session.ts'

/** What asks for a restart on Debian and Ubuntu. */
const RESTART_MARKS = ['run/reboot-required', 'var/run/reboot-required']
const RESTART_CODE = 3010
const APT = 'apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'

/** Security updates are told by the name of the archive that they come from, as `apt-get --simulate` shows it. */
const scripts = {
  all: `${APT} upgrade --with-new-pkgs`,
  mandatory: `names=$(apt-get -q --simulate upgrade --with-new-pkgs | sed -n '/^Inst .*[Ss]ecurity/s/^Inst \\([^ ]*\\).*/\\1/p')
[ -z "$names" ] || ${APT} install --only-upgrade $names`,
}

export async function installUpdates(
  action: Extract<Action, { kind: 'softwareUpdates' }>,
  at: { runner: ProcessIdentity; log: TraceLog; osRoot: string; outputPath: string },
): Promise<ActionOutcome> {
  const { osRoot } = at
  if (!existsSync(join(osRoot, 'usr/bin/apt-get')))
    return { kind: 'couldNotStart', detail: 'The system has no apt: its updates are not known how to be installed.' }
  const inside = osRoot === '/' ? [] : ['chroot', osRoot]
  const script = `set -e\nexport DEBIAN_FRONTEND=noninteractive\n${APT} update\n${scripts[action.target]}`
  const argv = [...inside, '/bin/sh', '-c', script]
  const { runner, log, outputPath } = at
  const ended = await runCommand(
    { kind: 'command', argv, workingDirectory: undefined, timeoutMs: action.timeoutMs, hidden: false },
    { runner, log, outputPath, environment: {} },
  )
  if (ended.kind !== 'exited' || ended.exitCode !== 0) return ended
  return RESTART_MARKS.some((mark) => existsSync(join(osRoot, mark))) ? { ...ended, exitCode: RESTART_CODE } : ended
}
