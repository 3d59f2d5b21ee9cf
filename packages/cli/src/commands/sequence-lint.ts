/** What a sequence file is like before a site has it: lint and preview. */
import { readFile, stat } from 'node:fs/promises'
import {
  checkReferences,
  formatDetail,
  type LintFinding,
  lintSequence,
  MAX_TEXT_LENGTH,
  type ParsedSequence,
  type Preview,
  PreviewFacts,
  parseSequence,
  previewSequence,
} from '@sluice/engine'
import { ProblemError } from '@sluice/protocol'
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import { nameAndValue } from '../options.ts'
import type { Session } from '../run.ts'
import { table } from '../text.ts'

export function addSequenceLintCommands(group: Command, session: Session): void {
  group
    .command('lint')
    .description('finds what is allowed in a sequence file and probably not meant; needs no site')
    .argument('<file>')
    .option('--references', 'ask the site, too, whether the packages exist')
    .action(async (file: string, options: { references?: boolean }): Promise<void> => {
      const parsed = await readParsed(file)
      const missing = options.references === true ? await missingPackages(parsed, session) : []
      const findings = [...lintSequence(parsed), ...missing]
      const warnings = findings.filter(({ level }) => level === 'warning').length
      session.out.result({ findings }, () => [
        ...findings.map((finding) => `${finding.level === 'note' ? 'Note' : 'Warning'}: ${formatDetail(finding)}`),
        `${file}: ${warnings} warnings, ${findings.length - warnings} notes.`,
      ])
    })

  group
    .command('preview')
    .description('says which steps of a sequence file run on a device, which do not and why; needs no site')
    .argument('<file>')
    .requiredOption('--facts <facts.json>', 'the facts of the device')
    .option('--input <name=value>', 'value of an input of the sequence; can be given again', nameAndValue)
    .action(async (file: string, options: { facts: string; input?: Record<string, string> }): Promise<void> => {
      const { sequence } = await readParsed(file)
      const preview = await previewSequence(sequence, await readFacts(options.facts), options.input ?? {})
      if (!preview.ok) throw new ProblemError(preview.problem)
      session.out.result(preview.value, () => linesOf(preview.value))
    })
}

async function readParsed(file: string): Promise<ParsedSequence> {
  const parsed = parseSequence({ file, text: await readBounded(file) })
  if (!parsed.ok) throw new ProblemError(parsed.problem)
  return parsed.value
}

async function missingPackages(parsed: ParsedSequence, session: Session): Promise<LintFinding[]> {
  const site = await session.site()
  const packages = await site.call('packages')
  const missing = checkReferences(parsed, new Set(packages.map(({ id }) => id)))
  return (missing?.errors ?? []).map((error) => ({ ...error, level: 'warning' }))
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

async function readBounded(file: string): Promise<string> {
  // No character takes more than three bytes for each of its UTF-16 units.
  if ((await stat(file)).size > 3 * MAX_TEXT_LENGTH)
    failLocally(`${file} is longer than ${MAX_TEXT_LENGTH} characters.`)
  return readFile(file, 'utf8')
}

function linesOf({ result, steps, packages, restarts, assumptions }: Preview): string[] {
  const runs = steps.filter((step) => step.runs).length
  return [
    ...table(
      ['RUNS', 'STEP', 'WHY NOT'],
      steps.map((step) => [step.runs ? 'yes' : 'no', step.name, step.why ?? '']),
    ),
    '',
    `${runs} of ${steps.length} steps run, with ${restarts} restarts.`,
    `Content: ${packages.join(', ') || 'none'}.`,
    result.kind === 'failure' ? `The run fails at ${result.step}: ${result.problem.detail}` : 'The run succeeds.',
    ...assumptions.map((one) => `Assumed: ${one}.`),
  ]
}
