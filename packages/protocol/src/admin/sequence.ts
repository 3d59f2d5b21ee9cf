/** Task sequences as administrators handle them. */
import { z } from 'zod'
import { ReleaseState } from '../catalogue.ts'
import { PackageId, SequenceId, Sha256 } from '../ids.ts'
import { LabelQuery } from '../label.ts'
import { Problem } from '../problem.ts'
import { type AdminRoute, plain } from './route.ts'
import { SequenceChild, SequenceDocument } from './sequence-document.ts'

export const SequenceApply = z.strictObject({
  /** For messages only. */
  fileName: z.string().max(4000),
  /** YAML or JSON, as written. */
  text: z.string().max(2 * 1024 * 1024),
})

export const SequenceInfo = z.object({
  id: SequenceId,
  name: z.string(),
  revision: z.int().positive(),
  sha256: Sha256,
  /** Candidates by labels included, as they are now. */
  packages: z.array(PackageId),
  /** Labels by which steps ask for candidates; absent: none does. */
  candidates: z.array(LabelQuery).optional(),
  steps: z.int().nonnegative(),
  state: ReleaseState,
  /** Faults that do not hinder it from running. */
  warnings: z.array(z.string()),
  /** The sequences whose steps stand in it; empty where that was not kept yet when it was applied. */
  children: z.array(SequenceChild),
})
export type SequenceInfo = z.infer<typeof SequenceInfo>

/** `sequence`: this one, with the newest of those that it runs. `parents`: every one that runs this one. */
export const SequenceRefresh = z.strictObject({ what: z.enum(['sequence', 'parents']) })

export const SequenceRefreshed = z.object({
  /** Those that have a new revision now. */
  refreshed: z.array(SequenceInfo),
  /** Those that stay as they were, because they cannot be made of the newest. */
  left: z.array(z.object({ id: SequenceId, name: z.string(), problem: Problem })),
})
export type SequenceRefreshed = z.infer<typeof SequenceRefreshed>

export const sequenceRoutes = {
  sequences: { method: 'GET', path: '/admin/v1/sequences', ...plain, answer: z.array(SequenceInfo) },
  /** `?revision=<number>`; without it, the newest. `NOT_FOUND`. */
  sequenceDocument: {
    method: 'GET',
    path: '/admin/v1/sequences/:id/document',
    ...plain,
    answer: SequenceDocument,
  },
  /** Creates or replaces the sequence of the name in the file. */
  applySequence: {
    method: 'PUT',
    path: '/admin/v1/sequences',
    maxBodyBytes: 5 * 1024 * 1024,
    body: SequenceApply,
    answer: SequenceInfo,
  },
  /** Makes new revisions of sequences whose children changed. `NOT_FOUND` */
  refreshSequence: {
    method: 'POST',
    path: '/admin/v1/sequences/:id/refresh',
    ...plain,
    body: SequenceRefresh,
    answer: SequenceRefreshed,
  },
} as const satisfies Record<string, AdminRoute>
