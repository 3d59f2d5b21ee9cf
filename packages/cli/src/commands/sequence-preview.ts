/** What a sequence would do on a device, and what content that means. */
import { bytesOfContent, type Preview, type PreviewedContent, PreviewFacts, previewSequence } from '@sluice/engine'
import { type DeviceId, type PackageId, type PolicyVariable, ProblemError } from '@sluice/protocol'
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import {
  isFile,
  readBounded,
  readSequenceSource,
  withCandidatesOfSite,
  withChildrenOfSite,
} from '../sequences/sequence-source.ts'
import { nameAndValue } from '../terminal/options.ts'
import { formatBytes, table } from '../terminal/text.ts'

interface PreviewOptions {
  device: string
  input?: Record<string, string>
  bytes?: boolean
}

export function addSequencePreviewCommand(group: Command, session: Session): void {
  group
    .command('preview')
    .description('says which steps run on a device, which do not and why, and what is fetched; files need no site')
    .argument('<sequence>', 'a file, or name or id of a sequence, also with its revision: Upgrade@3')
    .requiredOption('--device <device>', 'host name or id of a device, or a JSON file with facts')
    .option('--input <name=value>', 'value of an input of the sequence; can be given again', nameAndValue)
    .option('--bytes', 'ask the site for the sizes of packages, also when all else comes from files')
    .action(async (wanted: string, options: PreviewOptions): Promise<void> => {
      const source = await readSequenceSource(wanted, session)
      const fromFile = await isFile(options.device)
      const known = fromFile
        ? { id: undefined, facts: await readFacts(options.device), variables: [], masked: [] }
        : await knownOfDevice(options.device, session)
      const { facts, variables, masked } = known
      const sequence = await withCandidatesOfSite(await withChildrenOfSite(source.sequence, session), session)
      const preview = await previewSequence(sequence, facts, options.input ?? {}, variables)
      if (!preview.ok) throw new ProblemError(preview.problem)
      const asksSite = source.document !== undefined || !fromFile || options.bytes === true
      const sizes = asksSite ? await sizesOfPackages(session) : undefined
      const { assumptions } = preview.value
      if (masked.length > 0)
        assumptions.push(`steps ask for ${masked.join(', ')} like for secrets; no condition sees them`)
      if (preview.value.content.length > 0 && known.id === undefined)
        assumptions.push('the device has none of this content yet')
      if (preview.value.content.length > 0 && known.id !== undefined && sizes !== undefined)
        assumptions.push(await takeOffCached(known.id, preview.value.packages, sizes, session))
      const bytes = sizes === undefined ? {} : { bytes: bytesOfContent(preview.value.content, sizes) }
      session.out.result({ ...preview.value, ...bytes }, () => linesOf(preview.value, sizes))
    })
}

/** Facts of a device, and the variables that it and its collections give to its runs. */
async function knownOfDevice(wanted: string, session: Session) {
  const site = await session.site()
  const [device] = await site.devices([wanted])
  if (device === undefined) return failLocally(`There is no device ${wanted}.`)
  const { effective } = await site.call('deviceVariables', { id: device.id })
  const variables = effective.flatMap(({ name, value, from }): PolicyVariable[] =>
    value === undefined ? [] : [{ name, value, level: from === 'device' ? 'device' : 'collection' }],
  )
  return {
    id: device.id,
    facts: PreviewFacts.parse({ ...device.facts, machine: { agentVersion: device.agent.version } }),
    variables,
    masked: effective.flatMap((one) => (one.masked ? one.name : [])),
  }
}

async function sizesOfPackages(session: Session): Promise<Map<PackageId, number>> {
  const site = await session.site()
  return new Map((await site.call('packages')).map(({ id, totalBytes }) => [id, totalBytes]))
}

/** Puts what a device still has to fetch in the place of sizes, by what it says of its cache. */
async function takeOffCached(
  device: DeviceId,
  packages: readonly PackageId[],
  sizes: Map<PackageId, number>,
  session: Session,
): Promise<string> {
  const site = await session.site()
  const held: string[] = []
  for (const id of packages) {
    if (!sizes.has(id)) continue
    const [one] = (await site.call('packageCosts', { id, body: { device } })).devices
    if (one === undefined) continue
    sizes.set(id, one.fetchBytes)
    held.push(`${id} version ${one.versions.join(' and ')}`)
  }
  return held.length === 0
    ? 'the device has none of this content yet, as it says of its cache'
    : `the device still has ${held.join(', ')}, as it says of its cache`
}

async function readFacts(file: string): Promise<PreviewFacts> {
  let value: unknown
  try {
    value = JSON.parse(await readBounded(file))
  } catch (error) {
    if (error instanceof SyntaxError) failLocally(`${file} is not JSON: ${error.message}`)
    throw error
  }
  const read = PreviewFacts.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  failLocally(`${file}: ${issue?.path.join('.')}: ${issue?.message}`)
}

function linesOf(preview: Preview, sizes: ReadonlyMap<PackageId, number> | undefined): string[] {
  const { result, steps, content, restarts, assumptions } = preview
  const runs = steps.filter((step) => step.runs).length
  const fetched = steps.map((_, index) => content.filter(({ step }) => step === index).map(contentText))
  return [
    ...table(
      ['RUNS', 'STEP', 'FETCHES', 'WHY NOT'],
      steps.map(({ runs, name, atTheEnd, why = '' }, index) => [
        ...[runs ? 'yes' : 'no', atTheEnd === true ? `${name} (at the end)` : name],
        ...[(fetched[index] ?? []).join(', '), why],
      ]),
    ),
    '',
    `${runs} of ${steps.length} steps run, with ${restarts} restarts.`,
    ...contentLines(preview, sizes),
    result.kind === 'failure' ? `The run fails at ${result.step}: ${result.problem.detail}` : 'The run succeeds.',
    ...assumptions.map((one) => `Assumed: ${one}.`),
  ]
}

const MAX_SHOWN = 3

function contentText({ kind, packages }: PreviewedContent): string {
  const more = packages.length > MAX_SHOWN ? ` (${packages.length - MAX_SHOWN} more)` : ''
  const shown = packages.slice(0, MAX_SHOWN)
  if (kind === 'files') return `files of ${shown.join()}`
  if (kind === 'someOf') return `any of ${shown.join(', ')}${more}`
  return `${shown.join(' or ')}${more}`
}

function contentLines({ packages, content }: Preview, sizes: ReadonlyMap<PackageId, number> | undefined): string[] {
  if (packages.length === 0) return ['Content: none.']
  if (sizes === undefined) return [`Content: ${packages.join(', ')}.`]
  const { leastBytes, mostBytes, unknown } = bytesOfContent(content, sizes)
  const bytes =
    leastBytes === mostBytes
      ? formatBytes(mostBytes)
      : `between ${formatBytes(leastBytes)} and ${formatBytes(mostBytes)}`
  return [
    `Content: ${packages.join(', ')}: ${bytes}.`,
    ...(unknown.length === 0 ? [] : [`Not at the site, and not counted: ${unknown.join(', ')}.`]),
  ]
}
