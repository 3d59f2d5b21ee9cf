/** Builds and upgrades the tiny distribution in the folder given, and prints what became of it: run as another user. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { upgradeOperatingSystem } from '../upgrade.ts'
import { buildTinyRelease, installTiny, tinyState } from './tiny-distro.ts'

const [folder = ''] = process.argv.slice(2)
const [one, two, root] = [join(folder, 'one'), join(folder, 'two'), join(folder, 'root')]
mkdirSync(root)
buildTinyRelease(1, one)
buildTinyRelease(2, two)
installTiny(one, root, ['unshare', '--user', '--map-root-user'])
const outcome = await upgradeOperatingSystem(
  { kind: 'upgradeOperatingSystem', sourcePath: two, driverPath: undefined, scanOnly: false, timeoutMs: undefined },
  {
    osRoot: root,
    workFolder: join(folder, 'work'),
    logPath: join(folder, 'smsts.log'),
    log: { write: () => {} },
    endEverything: async () => {},
    onPercent: () => {},
  },
)
process.stdout.write(JSON.stringify({ uid: process.getuid?.(), outcome, state: tinyState(root) }))
