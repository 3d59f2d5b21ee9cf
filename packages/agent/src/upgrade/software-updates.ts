/** The action *Install Software Updates*: the update tool of the device's root, with its own sources. */
import type { Action, ActionOutcome } from '@sluice/engine'
import type { TraceLog } from '../run/cmtrace-log.ts'
import { runCommand } from '../run/command.ts'
import type { ProcessIdentity } from '../run/session.ts'
import { existsInRoot } from './root-path.ts'

type Order = Extract<Action, { kind: 'softwareUpdates' }>

/** What asks for a restart on Debian and Ubuntu. */
const RESTART_MARKS = ['run/reboot-required', 'var/run/reboot-required']
/** How a script here asks for a restart; zypper's own number, and none of the others'. */
const RESTART_WANTED = 102
const RESTART_CODE = 3010
const APT = 'apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'
const ZYPPER = 'zypper --non-interactive'

/** Zypper ends with 103 when it has to update itself first, and with 100 or 101 when it only tells of more. */
const zypper = (command: string): string => `code=0
${ZYPPER} ${command} || code=$?
if [ $code -eq 103 ]; then code=0; ${ZYPPER} ${command} || code=$?; fi
case $code in
  0|100|101) code=0; zypper needs-rebooting > /dev/null 2>&1 || code=$?; [ $code -ne 102 ] || exit ${RESTART_WANTED};;
  102|103) exit ${RESTART_WANTED};;
  *) exit $code;;
esac`

/** Its plug-in that knows of restarts may be missing: then nobody asks. */
const dnf = (command: string): string => `dnf -y --refresh ${command}
if dnf needs-restarting --help > /dev/null 2>&1; then
  code=0; dnf needs-restarting -r || code=$?; [ $code -ne 1 ] || exit ${RESTART_WANTED}
fi`

/** By the program that the system has. Security updates of apt are told by the name of the archive that they come from. */
const scripts = {
  'apt-get': {
    all: `${APT} update\n${APT} upgrade --with-new-pkgs`,
    mandatory: `${APT} update
names=$(apt-get -q --simulate upgrade --with-new-pkgs | sed -n '/^Inst .*[Ss]ecurity/s/^Inst \\([^ ]*\\).*/\\1/p')
[ -z "$names" ] || ${APT} install --only-upgrade $names`,
  },
  dnf: { all: dnf('upgrade'), mandatory: dnf('upgrade --security') },
  zypper: {
    all: `${ZYPPER} refresh\n${zypper('update')}`,
    mandatory: `${ZYPPER} refresh\n${zypper('patch --category security')}`,
  },
} as const satisfies Record<string, Record<Order['target'], string>>

/** The shell script that installs the updates of a root; undefined where none of the tools is there. */
export function updateScript(osRoot: string, target: Order['target']): string | undefined {
  for (const [tool, script] of Object.entries(scripts))
    if (existsInRoot(osRoot, `usr/bin/${tool}`))
      return `set -e\nexport DEBIAN_FRONTEND=noninteractive\n${script[target]}`
  return undefined
}

/** Whether packages of the system left a mark that asks for a restart. */
export const wantsRestart = (osRoot: string): boolean => RESTART_MARKS.some((mark) => existsInRoot(osRoot, mark))

export async function installUpdates(
  action: Order,
  at: { runner: ProcessIdentity; log: TraceLog; osRoot: string; outputPath: string },
): Promise<ActionOutcome> {
  const { osRoot } = at
  const script = updateScript(osRoot, action.target)
  if (script === undefined)
    return { kind: 'couldNotStart', detail: 'The system has no apt, dnf or zypper: nobody knows how to update it.' }
  const inside = osRoot === '/' ? [] : ['chroot', osRoot]
  const { runner, log, outputPath } = at
  const ended = await runCommand(
    {
      ...{ kind: 'command', argv: [...inside, '/bin/sh', '-c', script], workingDirectory: undefined },
      ...{ timeoutMs: action.timeoutMs, hidden: false },
    },
    { runner, log, outputPath, environment: {} },
  )
  if (ended.kind !== 'exited') return ended
  const isMarked = ended.exitCode === 0 && wantsRestart(osRoot)
  return isMarked || ended.exitCode === RESTART_WANTED ? { ...ended, exitCode: RESTART_CODE } : ended
}
