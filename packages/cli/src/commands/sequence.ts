import { formatDetail, parseSequence, referencedPackages, sequenceJsonSchema } from '@sluice/engine'
import { labelsText, ProblemError } from '@sluice/protocol'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { readBounded } from '../sequences/sequence-source.ts'
import { fields, table } from '../terminal/text.ts'
import { waitForDistribution } from '../terminal/wait.ts'
import { distributionLines, releaseStateText } from './package-view.ts'
import { addSequenceImportCommands } from './sequence-import.ts'
import { addSequenceLintCommands } from './sequence-lint.ts'
import { addSequencePreviewCommand } from './sequence-preview.ts'
import { addSequenceRefreshCommand, isOutdated } from './sequence-refresh.ts'
import { addSequenceShowCommands } from './sequence-show.ts'

export function addSequenceCommands(program: Command, session: Session): void {
  const group = program.command('sequence').description('task sequences')

  group
    .command('apply')
    .description('creates or replaces the sequence that a YAML or JSON file describes')
    .argument('<file>')
    .action(async (file: string): Promise<void> => {
      const text = await readBounded(file)
      const site = await session.site()
      const applied = await site.call('applySequence', { body: { fileName: file, text } })
      session.out.result(applied, () => [
        ...applied.warnings.map((warning) => `Warning: ${warning}`),
        ...fields([
          ['Sequence', applied.id],
          ['Name', applied.name],
          ['Revision', applied.revision],
          ['Steps', applied.steps],
          ['Packages', applied.packages.join(', ')],
          ...(applied.candidates ?? []).map((query): [string, string] => ['Candidates by labels', labelsText(query)]),
          ['State', releaseStateText(applied)],
        ]),
      ])
    })

  group
    .command('check')
    .description('reads a sequence file and tells every fault; needs no site')
    .argument('<file>')
    .action(async (file: string): Promise<void> => {
      const parsed = parseSequence({ file, text: await readBounded(file) })
      if (!parsed.ok) throw new ProblemError(parsed.problem)
      const { sequence, warnings } = parsed.value
      const packages = referencedPackages(sequence)
      session.out.result({ name: sequence.name, warnings, packages }, () => [
        ...warnings.map((warning) => `Warning: ${formatDetail(warning)}`),
        `${file} is valid: ${sequence.name}, ${packages.length} packages referenced.`,
      ])
    })

  group
    .command('schema')
    .description('prints the JSON Schema of sequence files, for editors; needs no site')
    .action((): void => {
      const schema = sequenceJsonSchema()
      session.out.result(schema, () => JSON.stringify(schema, null, 2).split('\n'))
    })

  addSequenceLintCommands(group, session)
  addSequencePreviewCommand(group, session)
  addSequenceShowCommands(group, session)
  addSequenceRefreshCommand(group, session)
  addSequenceImportCommands(group, session)

  group
    .command('list')
    .description('lists all sequences')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const sequences = await site.call('sequences')
      session.out.result(sequences, () =>
        table(
          ['ID', 'REVISION', 'STEPS', 'PACKAGES', 'STATE', 'NAME'],
          sequences.map((one) => [
            one.id,
            one.revision,
            one.steps,
            one.packages.length,
            `${releaseStateText(one)}${isOutdated(one.children) ? ', runs an older child' : ''}`,
            one.name,
          ]),
        ),
      )
    })

  group
    .command('distribute')
    .description('sends everything that a sequence references to distribution points')
    .argument('<sequence>', 'name or id')
    .requiredOption('--to <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .option('--wait', 'until it is there')
    .action(async (wanted: string, options: { to: string[]; wait?: boolean }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.to)
      const { id } = await site.sequence(wanted)
      let sent = await site.call('distributeSequence', { id, body: { to } })
      if (options.wait === true) sent = await waitForDistribution(session, sent, points)
      const names = await site.pointNames()
      session.out.result(sent, () => distributionLines(sent, names))
    })
}
