/**
 * What the demo imports besides the operating system: a driver package for each of three models,
 * language packs of which one is chosen at run time, and a package with the tools of two steps.
 * The packages that the device does not need are large, so that what is *not* downloaded shows.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PackageId } from '@sluice/protocol'
import type { PackageSource } from '../administrator.ts'
import { seededBytes } from './seeded-bytes.ts'

const MiB = 1024 * 1024

const id = (text: string) => text as PackageId

export const models = ['Lodestar 14', 'Meridian 15', 'Tramontane 27'] as const

/** Where the OS upgrade package lies among the sources. */
export const upgradeFolder = 'upgrade'

const drivers: PackageSource[] = models.map((model, i) => ({
  id: id(`DEM0001${i}`),
  name: `Drivers for ${model}`,
  kind: 'driver',
  target: 'any',
  folder: `drivers-${i}`,
}))

const languages = ['de', 'sv'] as const
const languagePacks: PackageSource[] = languages.map((language, i) => ({
  id: id(`DEM0002${i}`),
  name: `Language pack ${language}`,
  kind: 'package',
  target: 'any',
  folder: `language-${language}`,
}))

const tools: PackageSource = {
  id: id('DEM00030'),
  name: 'Upgrade tools',
  kind: 'package',
  target: 'any',
  folder: 'tools',
}

/** @param target name of the release that the OS upgrade package leads to */
export const demoPackages = (target: string): PackageSource[] => [
  { id: id('DEM00001'), name: target, kind: 'osUpgrade', target: 'linux', folder: upgradeFolder },
  ...drivers,
  ...languagePacks,
  tools,
]

/** Writes the sources of everything but the operating system below `folder`. */
export async function writeDemoSources(folder: string): Promise<void> {
  for (const [i, driver] of drivers.entries()) {
    const files: Record<string, Uint8Array | string> = {
      'driver.inf': `; Drivers for ${models[i]}\n`,
      'graphics/graphics.bin': seededBytes(`graphics-${i}`, 11 * MiB),
      'network/network.bin': seededBytes(`network-${i}`, 4 * MiB),
      'sound/sound.bin': seededBytes(`sound-${i}`, (2 + i) * MiB),
    }
    await writeFiles(join(folder, driver.folder), files)
  }
  for (const [i, pack] of languagePacks.entries())
    await writeFiles(join(folder, pack.folder), {
      'language.txt': `${languages[i]}\n`,
      'words.bin': seededBytes(`words-${i}`, 3 * MiB),
    })
  await writeFiles(join(folder, tools.folder), {
    'save-settings.sh': 'set -e\necho "settings of $1 saved"\n',
    'check-after-upgrade.sh': 'set -e\ngrep -q "$2" "$1/etc/os-release"\necho "the device runs $2"\n',
    'collect-logs.sh': 'echo "logs collected for $1"\n',
  })
}

async function writeFiles(folder: string, files: Record<string, Uint8Array | string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}
