/** Long pieces of work at the site. */
import { z } from 'zod'
import { JobId } from '../ids.ts'
import { Problem } from '../problem.ts'
import { type AdminRoute, plain } from './route.ts'

export const JobInfo = z.object({
  id: JobId,
  kind: z.enum(['import', 'distribution']),
  state: z.enum(['waiting', 'running', 'succeeded', 'failed']),
  subject: z.string(),
  doneBytes: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  problem: Problem.optional(),
})
export type JobInfo = z.infer<typeof JobInfo>

export const jobRoutes = {
  job: { method: 'GET', path: '/admin/v1/jobs/:id', ...plain, answer: JobInfo },
} as const satisfies Record<string, AdminRoute>
