import { basename, resolve } from 'node:path'
import {
  ContentTarget,
  type DistributionPointId,
  fail,
  labelsText,
  type PackageCosts,
  PackageId,
  type PackageInfo,
  PackageKind,
  PackageLabels,
  PackageOptions,
  PreCacheTags,
  ProblemError,
  type ReleaseState,
} from '@sluice/protocol'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { PointNames } from '../connect/site.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { nameAndValue, switchOption } from '../terminal/options.ts'
import { fields, formatBytes, onOff, table } from '../terminal/text.ts'
import { waitForDistribution, waitForJob } from '../terminal/wait.ts'

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

  group
    .command('distribute')
    .description('sends a package to gateways that serve content, and to cloud distribution points')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--to <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .option('--wait', 'until it is there')
    .action(async (id: PackageId, options: { to: string[]; wait?: boolean }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.to)
      let sent = await site.call('distributePackage', { id, body: { to } })
      if (options.wait === true) [sent = sent] = await waitForDistribution(session, [sent], points)
      await showPackage(session, sent)
    })

  group
    .command('validate')
    .alias('redistribute')
    .description('has what lies at distribution points read and hashed, and mends what is wrong')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--at <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .option('--wait', 'until it is done')
    .action(async (id: PackageId, options: { at: string[]; wait?: boolean }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.at)
      const { distribution } = await site.call('package', { id })
      const missing = points.filter((point) => !distribution.some(({ pointId }) => pointId === point))
      if (missing.length > 0)
        fail('NOT_FOUND', `${id} is not distributed to ${named(missing, await site.pointNames())}.`)
      let now = await site.call('validateDistribution', { id, body: { at: to } })
      if (options.wait === true) [now = now] = await waitForDistribution(session, [now], points, 'Validating')
      await showPackage(session, now)
    })

  group
    .command('cancel')
    .description('ends a distribution that is under way')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--at <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .action(async (id: PackageId, options: { at: string[] }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.at)
      const { distribution } = await site.call('package', { id })
      const underWay = ({ pointId, state }: PackageInfo['distribution'][number]) =>
        points.includes(pointId) && state !== 'installed' && state !== 'removing'
      if (!distribution.some(underWay)) session.out.note(`Nothing was under way at ${options.at.join(', ')}.`)
      await showPackage(session, await site.call('cancelDistribution', { id, body: { at: to } }))
    })

  group
    .command('remove')
    .description('takes a package away from distribution points; refused while a deployment needs it')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--from <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .option('--force', 'also while a deployment needs it')
    .action(async (id: PackageId, options: { from: string[]; force?: boolean }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.from)
      const { distribution } = await site.call('package', { id })
      if (!distribution.some(({ pointId }) => points.includes(pointId)))
        session.out.note(`${id} was not at ${options.from.join(', ')}.`)
      const body = { from: to, force: options.force === true }
      await showPackage(session, await site.call('removeDistribution', { id, body }))
    })
}

const emptyPackage = (id: PackageId): string =>
  `${id} stays, empty: import what is mended with --id ${id}, or give it up with \`sluice package delete ${id}\`.`

const named = (points: readonly DistributionPointId[], names: PointNames): string =>
  points.map((id) => names.get(id) ?? id).join(', ')

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

function addDeletion(group: Command, session: Session): void {
  group
    .command('delete')
    .description('deletes a package or one version; refused while a deployment or a task sequence needs it')
    .argument('<id>', 'package id', packageId)
    .option('--version <number>', 'this version only', versionNumber)
    .option('--force', 'also while task sequences that are deployed nowhere refer to it')
    .action(async (id: PackageId, options: { version?: number; force?: boolean }): Promise<void> => {
      const site = await session.site()
      const { version, force = false } = options
      const result = await site.call('deletePackage', { id, body: { ...(version && { version }), force } })
      session.out.result(result, () => [
        `Deleted ${id}: ${result.deleted.length === 0 ? 'it had no version' : `version ${result.deleted.join(', ')}`}.`,
        ...(result.newest > 0 ? [`The newest version is ${result.newest}.`] : []),
        ...(result.deleted.length > 0 ? ['What devices may still be fetching stays until they are done.'] : []),
      ])
    })

  group
    .command('collect')
    .description('collects garbage now, which the site does once a day by itself')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const report = await site.call('collectContent')
      session.out.result(report, () =>
        fields([
          ['Deleted versions gone', report.versions],
          [
            'Packs rewritten now',
            `${report.rewrittenPacks} (${formatBytes(report.rewrittenBytes)}, ${formatBytes(report.copiedBytes)} of them copied)`,
          ],
          ['Versions moving to other packs', report.movingVersions],
          ['Waiting for', report.latePoints.length === 0 ? undefined : report.latePoints.join(', ')],
          ['Objects condemned now', report.condemnedObjects],
          ['Objects deleted now', `${report.deletedObjects} (${formatBytes(report.deletedBytes)})`],
          ['Objects still to be deleted', `${report.waitingObjects} (${formatBytes(report.waitingBytes)})`],
        ]),
      )
    })
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

async function showPackage(session: Session, one: PackageInfo): Promise<void> {
  const names = await (await session.site()).pointNames()
  session.out.result(one, () => [
    ...fields([
      ['Package', one.id],
      ['Name', one.name],
      ['Kind', one.kind],
      ['Target', one.target],
      ['Version', one.version === 0 ? 'none yet' : one.version],
      ['State', releaseStateText(one)],
      ['Files', one.fileCount],
      ['Size', formatBytes(one.totalBytes)],
      ['Stored', `${formatBytes(one.storedBytes)} compressed and sealed`],
      ['Labels', one.labels === undefined ? undefined : labelsText(one.labels)],
    ]),
    ...one.losses.map((loss) => `Not carried: ${loss}`),
    ...distributionLines([one], names),
  ])
}

/** Where packages are, a line each. */
export function distributionLines(packages: readonly PackageInfo[], names: PointNames): string[] {
  return packages.flatMap((one) =>
    one.distribution.map(({ pointId, version, state, presentBytes, totalBytes, retriesLeft, problem }) => {
      const amount =
        state === 'installed'
          ? formatBytes(totalBytes)
          : `${formatBytes(presentBytes)} of ${formatBytes(totalBytes)} (${percent(presentBytes, totalBytes)})`
      return `${one.id} version ${version} on ${names.get(pointId) ?? pointId}: ${state}, ${amount}${state === 'retrying' && retriesLeft !== undefined ? `, ${retriesLeft} tries left` : ''}${problem === undefined ? '' : ` (${problem.code}: ${problem.detail})`}`
    }),
  )
}

function versionNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('Give the number of a version, such as 3.')
  return Number(text)
}

function packageId(text: string): PackageId {
  const parsed = PackageId.safeParse(text)
  if (!parsed.success) throw new InvalidArgumentError('Give a package id such as ABC00001.')
  return parsed.data
}

/** `waiting for release (version 2)` */
export const releaseStateText = (one: { state: ReleaseState; waitingVersion?: number | undefined }): string =>
  one.state === 'waitingForRelease'
    ? `waiting for release${one.waitingVersion === undefined ? '' : ` (version ${one.waitingVersion})`}`
    : one.state

const percent = (done: number, all: number): string => `${all === 0 ? 100 : Math.floor((100 * done) / all)} %`
