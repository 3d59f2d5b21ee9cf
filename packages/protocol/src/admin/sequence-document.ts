/** A revision of a sequence: as it was released, with the steps of the sequences that it runs, and as it was applied. */
import { z } from 'zod'
import { SequenceId, Sha256 } from '../ids.ts'
import { Sequence } from '../sequence.ts'

/** A sequence that went into another one, directly or through a third. */
export const SequenceChild = z.object({
  id: SequenceId,
  name: z.string(),
  /** The oldest of its revisions that stand there. */
  revision: z.int().positive(),
  /** The newest revision there is. */
  newest: z.int().positive(),
})
export type SequenceChild = z.infer<typeof SequenceChild>

export const SequenceDocument = z.object({
  id: SequenceId,
  revision: z.int().positive(),
  /** The newest revision there is. */
  newest: z.int().positive(),
  sha256: Sha256,
  createdAt: z.iso.datetime(),
  sequence: Sequence,
  /** What was applied, with the steps that run others; absent: it runs none, or was applied before this was kept. */
  applied: Sequence.optional(),
  children: z.array(SequenceChild),
})
export type SequenceDocument = z.infer<typeof SequenceDocument>
