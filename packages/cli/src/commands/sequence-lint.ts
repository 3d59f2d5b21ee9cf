/** What is allowed in a sequence and probably not meant. */
import {
  checkReferences,
  formatDetail,
  formatPath,
  type LintFinding,
  labelQueries,
  lintSequence,
  type ParsedSequence,
} from '@sluice/engine'
import { labelsText, meetsLabels } from '@sluice/protocol'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { readParsedSequence } from '../sequences/sequence-source.ts'

export function addSequenceLintCommands(group: Command, session: Session): void {
  group
    .command('lint')
    .description('finds what is allowed in a sequence file and probably not meant; needs no site')
    .argument('<file>')
    .option('--references', 'ask the site, too, whether the packages exist, and some have the labels')
    .action(async (file: string, options: { references?: boolean }): Promise<void> => {
      const parsed = await readParsedSequence(file)
      const missing = options.references === true ? await missingPackages(parsed, session) : []
      const findings = [...lintSequence(parsed), ...missing]
      const warnings = findings.filter(({ level }) => level === 'warning').length
      session.out.result({ findings }, () => [
        ...findings.map((finding) => `${finding.level === 'note' ? 'Note' : 'Warning'}: ${formatDetail(finding)}`),
        `${file}: ${warnings} warnings, ${findings.length - warnings} notes.`,
      ])
    })
}

async function missingPackages(parsed: ParsedSequence, session: Session): Promise<LintFinding[]> {
  const site = await session.site()
  const packages = await site.call('packages')
  const missing = checkReferences(parsed, new Set(packages.map(({ id }) => id)))
  const unmet = labelQueries(parsed.sequence)
    .filter(({ labels: query }) => !packages.some(({ version, labels }) => version > 0 && meetsLabels(labels, query)))
    .map(({ labels, path }) => ({
      place: parsed.placeOf(path),
      path: formatPath(path),
      message: `no released package has the labels ${labelsText(labels)}`,
    }))
  return [...(missing?.errors ?? []), ...unmet].map((error) => ({ ...error, level: 'warning' }))
}
