/** Sequences as they stand, and what changed between two of them. */
import { writeSequenceFile } from '@sluice/engine'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { diffLinesOf, diffSequences } from '../sequences/sequence-diff.ts'
import { readSequenceSource } from '../sequences/sequence-source.ts'
import { sequenceTree } from '../sequences/sequence-tree.ts'
import { wholeNumber } from '../terminal/options.ts'
import { fields } from '../terminal/text.ts'

export function addSequenceShowCommands(group: Command, session: Session): void {
  group
    .command('show')
    .description('shows a sequence: its steps as a tree, conditions in words')
    .argument('<sequence>', 'name or id, or a file')
    .option('--revision <number>', 'an older revision', wholeNumber(1, 999_999_999))
    .option('--yaml', 'as a file that can be edited and applied')
    .action(async (wanted: string, options: { revision?: number; yaml?: boolean }): Promise<void> => {
      const { sequence, document } = await readSequenceSource(
        options.revision === undefined ? wanted : `${wanted}@${options.revision}`,
        session,
      )
      session.out.result(document ?? { sequence }, () => {
        if (options.yaml === true) return writeSequenceFile(sequence).trimEnd().split('\n')
        return [
          ...fields([
            ['Name', sequence.name],
            ['Sequence', document?.id],
            ['Revision', document === undefined ? undefined : `${document.revision} of ${document.newest}`],
            ['Stored', document?.createdAt],
            ['Description', sequence.description],
          ]),
          '',
          ...sequenceTree(sequence),
        ]
      })
    })

  group
    .command('diff')
    .description('tells what was added, removed, changed and moved between two sequences')
    .argument('<a>', 'a file, or name or id of a sequence, also with its revision: Upgrade@3')
    .argument('<b>', 'the same')
    .action(async (a: string, b: string): Promise<void> => {
      const [before, after] = [await readSequenceSource(a, session), await readSequenceSource(b, session)]
      const diff = diffSequences(before.sequence, after.sequence)
      session.out.result({ a: before.label, b: after.label, ...diff }, () => [
        `--- ${before.label}`,
        `+++ ${after.label}`,
        ...diffLinesOf(diff),
      ])
    })
}
