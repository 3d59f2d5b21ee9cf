/** Where commands take a sequence from: a file, or a revision that the site has. */
import { stat } from 'node:fs/promises'
import {
  childrenOf,
  labelQueries,
  MAX_TEXT_LENGTH,
  type ParsedSequence,
  parseSequence,
  withChildren,
  withLabelled,
} from '@sluice/engine'
import { ProblemError, type Sequence, type SequenceDocument, type SequenceId } from '@sluice/protocol'
import { readLocalFile } from '../local-file.ts'
import type { Session } from '../run.ts'

export interface SequenceSource {
  sequence: Sequence
  /** How people call it. */
  label: string
  /** Where it came from the site. */
  document?: SequenceDocument
}

/**
 * @param wanted a file that is there; else name or id of a sequence of the site, as in `Upgrade` or `Upgrade@3`
 * @throws ProblemError `SEQUENCE_INVALID`, `NOT_FOUND`
 */
export async function readSequenceSource(wanted: string, session: Session): Promise<SequenceSource> {
  if (await isFile(wanted)) return { sequence: (await readParsedSequence(wanted)).sequence, label: wanted }
  const [, name = wanted, revision] = /^(.+)@(\d{1,9})$/.exec(wanted) ?? []
  const document = await sequenceDocument(name, revision === undefined ? undefined : Number(revision), session)
  return { sequence: document.sequence, label: `${document.sequence.name}, revision ${document.revision}`, document }
}

export async function sequenceDocument(
  nameOrId: string,
  revision: number | undefined,
  session: Session,
): Promise<SequenceDocument> {
  const site = await session.site()
  const query = revision === undefined ? {} : { query: { revision: String(revision) } }
  return site.call('sequenceDocument', { id: nameOrId, ...query })
}

/** The steps of other sequences in the place of the steps that run them; only then the site is asked. */
export async function withChildrenOfSite(sequence: Sequence, session: Session): Promise<Sequence> {
  // What the site has holds the steps of its own children already.
  const children = new Map<SequenceId, Sequence>()
  for (const id of childrenOf(sequence)) children.set(id, (await sequenceDocument(id, undefined, session)).sequence)
  const whole = withChildren(sequence, undefined, (id) => children.get(id))
  if (!whole.ok) throw new ProblemError(whole.problem)
  return whole.value
}

/** Ids in the place of label queries, as they would stand in policy now; only then the site is asked. */
export async function withCandidatesOfSite(sequence: Sequence, session: Session): Promise<Sequence> {
  if (labelQueries(sequence).length === 0) return sequence
  const packages = await (await session.site()).call('packages')
  return withLabelled(
    sequence,
    packages.filter(({ version }) => version > 0),
  )
}

/** @throws ProblemError `SEQUENCE_INVALID`; LocalFailure for what is too long */
export async function readParsedSequence(file: string): Promise<ParsedSequence> {
  const parsed = parseSequence({ file, text: await readBounded(file) })
  if (!parsed.ok) throw new ProblemError(parsed.problem)
  return parsed.value
}

export async function readBounded(file: string): Promise<string> {
  // No character takes more than three bytes for each of its UTF-16 units.
  return (await readLocalFile(file, 3 * MAX_TEXT_LENGTH)).toString('utf8')
}

/** A name with a dot or a slash is taken for a file, so that a mistyped one is told as such. */
export const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true || /[\\/]|\.(ya?ml|json)$/i.test(path)
