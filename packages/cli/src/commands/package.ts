/** `sluice package`: versioned folders of files. Where they are and how they go have files of their own. */
import { basename, resolve } from 'node:path'
import {
  ContentTarget,
  type PackageCosts,
  type PackageId,
  PackageKind,
  PackageLabels,
  PackageOptions,
  PreCacheTags,
  ProblemError,
} from '@sluice/protocol'
import { type Command, Option } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { nameAndValue, packageId, switchOption, versionNumber } from '../terminal/options.ts'
import { fields, formatBytes, onOff, table } from '../terminal/text.ts'
import { waitForJob } from '../terminal/wait.ts'
import { addDeletion } from './package-deletion.ts'
import { addDistribution } from './package-distribution.ts'
import { releaseStateText, showPackage } from './package-view.ts'

const LONG_PATHS = 'refuse paths that many programs on Windows cannot open, instead of listing them'
const architectures = PreCacheTags.shape.architecture.unwrap().options

export function addPackageCommands(program: Command, session: Session): void {
  const group = program.command('package').description('versioned folders of files: programs, drivers, OS upgrades')

  group
    .command('import')
    .description('imports a folder or an archive, which the site must be able to read, as a new package')
    .argument('<source>', 'folder, .zip, .iso, .tar, .tar.gz, .tar.zst or .tar.xz')
    .option('--name <name>', 'name of the package (default: name of the folder)')
    .addOption(new Option('--kind <kind>', 'what it is').choices(PackageKind.options).default('package'))
    .addOption(
      new Option('--target <target>', 'whose rules for file names it follows')
        .choices(ContentTarget.options)
        .default('any'),
    )
    .option('--id <id>', 'package id such as ABC00001 (default: the site chooses)', packageId)
    .option('--refuse-long-paths', LONG_PATHS)
    .option('--label <name=value>', 'a label, for steps that choose by labels; can be given again', nameAndValue)
    .action(async (folder: string, { label, ...options }: ImportOptions): Promise<void> => {
      const site = await session.site()
      const path = resolve(folder)
      const { packageId: id, jobId } = await site.call('importPackage', {
        body: {
          ...options,
          name: options.name ?? basename(path).replace(/(\.tar)?\.(zip|iso|tar|gz|tgz|zst|tzst|xz|txz)$/i, ''),
          folder: path,
          ...(label === undefined ? {} : { labels: checkedLabels(label) }),
        },
      })
      try {
        await waitForJob(session, jobId, 'Importing')
      } catch (error) {
        if (error instanceof ProblemError) session.out.note(emptyPackage(id))
        throw error
      }
      await showPackage(session, await site.call('package', { id }))
    })

  group
    .command('update')
    .description('imports a folder or an archive as the next version of a package; unchanged bytes cost nothing')
    .argument('<id>', 'package id', packageId)
    .argument('<source>', 'folder, .zip, .iso, .tar, .tar.gz, .tar.zst or .tar.xz')
    .option('--refuse-long-paths', LONG_PATHS)
    .option('--rehash', 'reads every file, also those that nobody touched since the last import')
    .action(
      async (
        id: PackageId,
        folder: string,
        options: { rehash?: boolean; refuseLongPaths?: boolean },
      ): Promise<void> => {
        const site = await session.site()
        const { jobId } = await site.call('updatePackage', {
          id,
          body: {
            folder: resolve(folder),
            readAll: options.rehash === true,
            refuseLongPaths: options.refuseLongPaths === true,
          },
        })
        await waitForJob(session, jobId, 'Importing')
        await showPackage(session, await site.call('package', { id }))
      },
    )

  group
    .command('list')
    .description('lists all packages')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const packages = await site.call('packages')
      session.out.result(packages, () =>
        table(
          ['ID', 'VERSION', 'STATE', 'KIND', 'FILES', 'SIZE', 'STORED', 'ON', 'NAME'],
          packages.map((one) => [
            one.id,
            one.version,
            one.version === 0 && one.waitingVersion === undefined ? 'empty' : releaseStateText(one),
            one.kind,
            one.fileCount,
            formatBytes(one.totalBytes),
            formatBytes(one.storedBytes),
            `${one.distribution.filter(({ state }) => state === 'installed').length} of ${one.distribution.length}`,
            one.name,
          ]),
        ),
      )
    })

  group
    .command('show')
    .description('shows a package and where it is')
    .argument('<id>', 'package id', packageId)
    .action(async (id: PackageId): Promise<void> => {
      const site = await session.site()
      await showPackage(session, await site.call('package', { id }))
    })

  group
    .command('diff')
    .description('shows what an update costs: each device by what its cache holds, or from one version to another')
    .argument('<id>', 'package id', packageId)
    .argument('[from]', 'version that a device has (default: what each device says of its cache)', versionNumber)
    .argument('[to]', 'version that it gets (default: the newest)', versionNumber)
    .action(async (id: PackageId, from: number | undefined, wanted: number | undefined): Promise<void> => {
      const site = await session.site()
      if (from === undefined) {
        const costs = await site.call('packageCosts', { id, body: {} })
        session.out.result(costs, () => costLines(id, costs))
        return
      }
      const to = wanted ?? (await site.call('package', { id })).version
      const diff = await site.call('diffPackage', { id, body: { from, to } })
      const fetched = diff.frameBytes + diff.pageBytes
      session.out.result(diff, () => [
        ...fields([
          ['Update', `${id} from version ${from} to ${to}`],
          ['A device fetches', `${formatBytes(fetched)} (${formatBytes(diff.pageBytes)} of them to know what)`],
          ['Without the old', formatBytes(diff.wholeBytes)],
          [
            'Files',
            `${diff.added} added, ${diff.changed} changed, ${diff.removed} removed, ${diff.unchanged} as they were`,
          ],
        ]),
        ...diff.examples.map(({ kind, path }) => `${kind.padEnd(8)} ${path}`),
      ])
    })

  group
    .command('options')
    .description('shows what devices do with a package, and changes it; what is not named stays')
    .argument('<id>', 'package id', packageId)
    .addOption(switchOption('--persist', 'Persist content in the client cache'))
    .addOption(
      new Option('--architecture <architecture>', 'fetched in advance by such devices only; none: by all').choices([
        ...architectures,
        'none',
      ]),
    )
    .option('--language <language>', 'the same, such as de-DE or de')
    .option('--model <text>', 'the same: part of the name of the model')
    .action(async (id: PackageId, chosen: Record<string, string | boolean>): Promise<void> => {
      const site = await session.site()
      const { persist, ...tags } = chosen
      let options = await site.call('packageOptions', { id })
      if (Object.keys(chosen).length > 0) {
        const all = Object.entries({ ...options.preCache, ...tags }).filter(([, value]) => value !== 'none')
        const body = PackageOptions.safeParse({
          persist: persist ?? options.persist,
          preCache: Object.fromEntries(all),
        })
        if (!body.success) failLocally(tagFault(body.error.issues[0]))
        options = await site.call('setPackageOptions', { id, body: body.data })
      }
      session.out.result(options, () =>
        fields([
          ['Package', id],
          ['Persist content in the client cache', onOff(options.persist)],
          ['Architecture', options.preCache.architecture ?? 'any'],
          ['Language', options.preCache.language ?? 'any'],
          ['Model', options.preCache.model ?? 'any'],
        ]),
      )
    })

  addLabelling(group, session)
  addDeletion(group, session)
  addDistribution(group, session)
}

const emptyPackage = (id: PackageId): string =>
  `${id} stays, empty: import what is mended with --id ${id}, or give it up with \`sluice package delete ${id}\`.`

interface ImportOptions {
  name?: string
  kind: PackageKind
  target: ContentTarget
  id?: PackageId
  refuseLongPaths?: boolean
  label?: Record<string, string>
}

function addLabelling(group: Command, session: Session): void {
  group
    .command('label')
    .description('labels a package, for steps that choose by labels; without labels, shows those that it has')
    .argument('<id>', 'package id', packageId)
    .argument('[labels...]', 'such as kind=driver model=X1; others stay')
    .option('--remove <name...>', 'takes these labels away')
    .action(async (id: PackageId, set: string[], { remove = [] }: { remove?: string[] }): Promise<void> => {
      const site = await session.site()
      const one = await site.call('package', { id })
      const added = set.reduce<Record<string, string>>((all, text) => nameAndValue(text, all), {})
      const kept = Object.entries({ ...one.labels, ...added }).filter(([name]) => !remove.includes(name))
      if (set.length + remove.length === 0) return await showPackage(session, one)
      const body = checkedLabels(Object.fromEntries(kept))
      await showPackage(session, await site.call('setPackageLabels', { id, body }))
    })
}

/** `--language: give …`: the name of the tag is that of its option. */
function tagFault(issue: { path: PropertyKey[]; message: string } | undefined): string {
  const tag = String(issue?.path.at(-1) ?? 'tags')
  const wanted = tag === 'language' ? 'Give a language such as de-DE or de' : 'Give a text of 1 to 100 characters'
  return `--${tag}: ${wanted}, or none.`
}

function checkedLabels(labels: Record<string, string>): PackageLabels {
  const checked = PackageLabels.safeParse(labels)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const inside = issue?.code === 'invalid_key' ? issue.issues[0] : issue
  return failLocally(`${issue?.path.join('.') || 'labels'}: ${inside?.message}`)
}

function costLines(id: PackageId, { to, wholeBytes, devices, more }: PackageCosts): string[] {
  return [
    `${id} version ${to}. A device that holds no version of it fetches ${formatBytes(wholeBytes)}.`,
    '',
    ...table(
      ['DEVICE', 'HOLDS VERSION', 'FETCHES AT MOST'],
      devices.map(({ hostname, versions, fetchBytes }) => [hostname, versions.join(', '), formatBytes(fetchBytes)]),
    ),
    ...(more ? [`And more than these ${devices.length} devices.`] : []),
  ]
}
