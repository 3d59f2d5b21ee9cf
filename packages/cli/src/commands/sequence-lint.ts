/** What is allowed in a sequence and probably not meant. */
import {
  checkReferences,
  formatDetail,
  formatPath,
  type LintFinding,
  lintSequence,
  nodesOf,
  type ParsedSequence,
} from '@sluice/engine'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { readParsedSequence } from '../sequence-source.ts'

/** Findings with the same words that are told one by one; of more, only how many there are. */
const MAX_ALIKE = 3

export function addSequenceLintCommands(group: Command, session: Session): void {
  group
    .command('lint')
    .description('finds what is allowed in a sequence file and probably not meant; needs no site')
    .argument('<file>')
    .option('--references', 'ask the site, too: whether packages and sequences exist, and how this one is deployed')
    .action(async (file: string, options: { references?: boolean }): Promise<void> => {
      const parsed = await readParsedSequence(file)
      const own = lintSequence(parsed)
      const findings = options.references === true ? [...own, ...(await findingsOfSite(parsed, session))] : own
      const warnings = findings.filter(({ level }) => level === 'warning').length
      session.out.result({ findings }, () => [
        ...linesOf(findings),
        `${file}: ${warnings} warnings, ${findings.length - warnings} notes.`,
      ])
    })
}

function linesOf(findings: readonly LintFinding[]): string[] {
  const alike = new Map<string, number>()
  const lines = findings.flatMap((finding) => {
    const key = `${finding.level}: ${finding.message}`
    const count = (alike.get(key) ?? 0) + 1
    alike.set(key, count)
    return count > MAX_ALIKE ? [] : [`${wordOf(finding)}: ${formatDetail(finding)}`]
  })
  for (const [key, count] of alike)
    if (count > MAX_ALIKE) lines.push(`${count - MAX_ALIKE} more of: ${key.slice(key.indexOf(':') + 2)}`)
  return lines
}

const wordOf = ({ level }: LintFinding): string => (level === 'note' ? 'Note' : 'Warning')

async function findingsOfSite(parsed: ParsedSequence, session: Session): Promise<LintFinding[]> {
  const site = await session.site()
  const packages = await site.call('packages')
  const sequences = new Set((await site.call('sequences')).map(({ id }) => id))
  const missing = checkReferences(parsed, new Set(packages.map(({ id }) => id)))
  const findings = (missing?.errors ?? []).map((error): LintFinding => ({ ...error, level: 'warning' }))
  const eager = (await site.call('deployments')).filter(
    ({ sequenceName, settings }) =>
      sequenceName === parsed.sequence.name && settings.contentOption === 'allBeforeStart',
  )
  for (const { node, path } of nodesOf(parsed.sequence)) {
    const tell = (message: string): void => {
      findings.push({ level: 'warning', place: parsed.placeOf(path), path: formatPath(path), message })
    }
    if (node.type === 'runTaskSequence' && !sequences.has(node.sequence)) tell(`there is no sequence ${node.sequence}`)
    if (node.type === 'downloadPackageContent' && node.disabled !== true)
      for (const { id } of eager)
        tell(`the deployment ${id} downloads all content before the start, which does not go with this step`)
  }
  return findings
}
