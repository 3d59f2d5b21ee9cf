/** What a sequence would do on a device, and what content that means. */
import { bytesOfContent, type Preview, type PreviewedContent, PreviewFacts, previewSequence } from '@sluice/engine'
import { type PackageId, type PolicyVariable, ProblemError } from '@sluice/protocol'
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import { nameAndValue } from '../options.ts'
import type { Session } from '../run.ts'
import { isFile, readBounded, readSequenceSource, withChildrenOfSite } from '../sequence-source.ts'
import { formatBytes, table } from '../text.ts'

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
      const { facts, variables, masked } = fromFile
        ? { facts: await readFacts(options.device), variables: [], masked: [] }
        : await knownOfDevice(options.device, session)
      const sequence = await withChildrenOfSite(source.sequence, session)
      const preview = await previewSequence(sequence, facts, options.input ?? {}, variables)
      if (!preview.ok) throw new ProblemError(preview.problem)
      const asksSite = source.document !== undefined || !fromFile || options.bytes === true
      const sizes = asksSite ? await sizesOfPackages(session) : undefined
      const { assumptions } = preview.value
      if (masked.length > 0)
        assumptions.push(`steps ask for ${masked.join(', ')} like for secrets; no condition sees them`)
      if (preview.value.content.length > 0)
        assumptions.push('the device has none of this content yet; what lies in its cache, only the device knows')
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
    facts: PreviewFacts.parse({ ...device.facts, machine: { agentVersion: device.agent.version } }),
    variables,
    masked: effective.flatMap((one) => (one.masked ? one.name : [])),
  }
}

async function sizesOfPackages(session: Session): Promise<Map<PackageId, number>> {
  const site = await session.site()
  return new Map((await site.call('packages')).map(({ id, totalBytes }) => [id, totalBytes]))
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
