/** Sequences that run others, after one of these has changed. */
import type { SequenceChild } from '@sluice/protocol'
import { type Command, CommanderError } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { releaseStateText } from './package-view.ts'

export function addSequenceRefreshCommand(group: Command, session: Session): void {
  group
    .command('refresh')
    .description('makes new revisions of sequences that run others, with the newest revisions of these')
    .argument('[sequence]', 'name or id of the sequence that runs others')
    .option('--parents-of <sequence>', 'every sequence that runs this one, directly or through others')
    .action(async (wanted: string | undefined, { parentsOf }: { parentsOf?: string }): Promise<void> => {
      const named = wanted ?? parentsOf
      if (named === undefined || (wanted !== undefined && parentsOf !== undefined))
        return failLocally('Name one sequence, or the one that changed after --parents-of.')
      const site = await session.site()
      const { id } = await site.sequence(named)
      const what = wanted === undefined ? 'parents' : 'sequence'
      const answer = await site.call('refreshSequence', { id, body: { what } })
      const { refreshed, left } = answer
      session.out.result(answer, () => [
        ...refreshed.map((one) => `${one.name} has revision ${one.revision} now (${releaseStateText(one)}).`),
        ...left.map(({ name, problem }) => `${name} stays as it was: ${problem.detail}`),
        ...(refreshed.length + left.length === 0 ? ['Nothing is out of date.'] : []),
      ])
      // Everything is told already: only the exit code is left to say.
      if (left.length > 0) throw new CommanderError(1, 'sequence.refresh', 'Some sequences stay as they were.')
    })
}

export const isOutdated = (children: readonly SequenceChild[]): boolean =>
  children.some(({ revision, newest }) => newest > revision)

/** `Clean up: revision 2; 3 is the newest` */
export const childText = ({ name, revision, newest }: SequenceChild): string =>
  `${name}: revision ${revision}${newest > revision ? `; ${newest} is the newest` : ''}`
