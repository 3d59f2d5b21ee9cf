/** A revision of a sequence, as it was released: with the steps of the sequences that it runs. */
import { z } from 'zod'
import { SequenceId, Sha256 } from '../ids.ts'
import { Sequence } from '../sequence.ts'

export const SequenceDocument = z.object({
  id: SequenceId,
  revision: z.int().positive(),
  /** The newest revision there is. */
  newest: z.int().positive(),
  sha256: Sha256,
  createdAt: z.iso.datetime(),
  sequence: Sequence,
})
export type SequenceDocument = z.infer<typeof SequenceDocument>
