/** Sequences as they stand, and what changed between two of them. */
import { writeSequenceFile } from '@sluice/engine'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { diffLinesOf, diffSequences } from '../sequences/sequence-diff.ts'
import { readSequenceSource, type SequenceSource } from '../sequences/sequence-source.ts'
import { sequenceTree } from '../sequences/sequence-tree.ts'
import { wholeNumber } from '../terminal/options.ts'
import { fields } from '../terminal/text.ts'
import { childText, isOutdated } from './sequence-refresh.ts'

export function addSequenceShowCommands(group: Command, session: Session): void {
  group
    .command('show')
    .description('shows a sequence: its steps as a tree, conditions in words')
    .argument('<sequence>', 'name or id, or a file')
    .option('--revision <number>', 'an older revision', wholeNumber(1, 999_999_999))
    .option('--yaml', 'as a file that can be edited and applied: what was applied, without the steps of others')
    .action(async (wanted: string, options: { revision?: number; yaml?: boolean }): Promise<void> => {
      const { sequence, document } = await readSequenceSource(
        options.revision === undefined ? wanted : `${wanted}@${options.revision}`,
        session,
      )
      session.out.result(document ?? { sequence }, () => {
        if (options.yaml === true)
          return writeSequenceFile(document?.applied ?? sequence)
            .trimEnd()
            .split('\n')
        const children = document?.children ?? []
        // Of an older revision nothing is out of date: it is what it was.
        const outdated = document?.revision === document?.newest && isOutdated(children)
        return [
          ...fields([
            ['Name', sequence.name],
            ['Sequence', document?.id],
            ['Revision', document === undefined ? undefined : `${document.revision} of ${document.newest}`],
            ['Stored', document?.createdAt],
            ['Description', sequence.description],
            ...children.map((child): [string, string] => ['Runs', childText(child)]),
          ]),
          '',
          ...sequenceTree(sequence),
          ...(outdated ? ['', `What it runs has changed: sluice sequence refresh ${document?.id}`] : []),
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
      // A file is compared with what was applied; two revisions by what runs.
      const isFiled = before.document === undefined || after.document === undefined
      const of = ({ sequence, document }: SequenceSource) => (isFiled ? (document?.applied ?? sequence) : sequence)
      const diff = diffSequences(of(before), of(after))
      session.out.result({ a: before.label, b: after.label, ...diff }, () => [
        `--- ${before.label}`,
        `+++ ${after.label}`,
        ...diffLinesOf(diff),
      ])
    })
}
