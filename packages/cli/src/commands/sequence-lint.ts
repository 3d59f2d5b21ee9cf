/** What is allowed in a sequence and probably not meant. */
import { checkReferences, formatDetail, type LintFinding, lintSequence, type ParsedSequence } from '@sluice/engine'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { readParsedSequence } from '../sequence-source.ts'

export function addSequenceLintCommands(group: Command, session: Session): void {
  group
    .command('lint')
    .description('finds what is allowed in a sequence file and probably not meant; needs no site')
    .argument('<file>')
    .option('--references', 'ask the site, too, whether the packages exist')
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
  return (missing?.errors ?? []).map((error) => ({ ...error, level: 'warning' }))
}
