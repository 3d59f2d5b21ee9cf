/**
 * Software Center: the page on loopback and the agent behind it. State changes take a deployment
 * id and a verb, nothing else; the session token travels in a header (SEC-70, SEC-72).
 */
import { z } from 'zod'
import { DeploymentId, RunId } from './ids.ts'
import { Problem } from './problem.ts'
import { FinishedStep, RunReport } from './run-report.ts'

/** Header with the session token, on every request to the API. */
export const SESSION_HEADER = 'sluice-session'

export const centerPaths = {
  /** GET `CenterState`. */
  state: '/api/state',
  /** GET: newline-separated JSON `CenterState`s, one at once and one after each change, at most 5 a second, at least one in 10 s. */
  events: '/api/events',
  /** POST `/api/deployments/<id>/install`, no body. 202, or a problem. */
  install: (id: string) => `/api/deployments/${id}/install`,
  /** POST, no body: let the run of this deployment rest before its next step, or go on. 202, or a problem. */
  pause: (id: string) => `/api/deployments/${id}/pause`,
  resume: (id: string) => `/api/deployments/${id}/resume`,
  /** POST, no body: ask the site for policy now. */
  syncPolicy: '/api/policy/sync',
} as const

export const RunProgress = z.object({
  runId: RunId,
  deploymentId: DeploymentId,
  phase: z.enum(['preparing', 'running', 'paused', 'restarting', 'finished']),
  /** Step x of y: counts enabled steps, not groups (configmgr-behaviour §3.2). x is 0 before the first. */
  step: z.int().nonnegative(),
  stepCount: z.int().nonnegative(),
  stepName: z.string(),
  /** Content that is being fetched now. */
  download: z
    .object({
      packageName: z.string(),
      doneBytes: z.int().nonnegative(),
      totalBytes: z.int().nonnegative(),
      /** Smoothed rate. */
      bytesPerSecond: z.number().nonnegative(),
    })
    .optional(),
  /** Of the running step, 0 to 100, where it tells. */
  percent: z.number().min(0).max(100).optional(),
  finishedSteps: z.array(FinishedStep),
  /** A download that waits: why, and when it goes on. */
  waiting: Problem.optional(),
  /** Who wants it to rest; while `phase` is another one, it does so before its next step. */
  pausedBy: z.enum(['administrator', 'user']).optional(),
  /** When it goes on by itself. */
  pausedUntil: z.iso.datetime().optional(),
  /** What is left of the user's time for pauses, in milliseconds; absent: he may not pause it. */
  userPauseLeftMs: z.int().nonnegative().optional(),
})
export type RunProgress = z.infer<typeof RunProgress>

export const CenterItem = z.object({
  deploymentId: DeploymentId,
  name: z.string(),
  description: z.string().optional(),
  state: z.enum(['available', 'refused', 'installing', 'installed', 'failed']),
  /** Why it cannot be started here and now. */
  refusals: z.array(Problem),
  required: z.boolean(),
  deadlineAt: z.iso.datetime().optional(),
  estimatedRunTimeMinutes: z.int().optional(),
  /** Stored bytes of everything referenced; what is really fetched is usually much less. */
  referencedBytes: z.int().nonnegative(),
  onDemand: z.boolean(),
  confirmation: z.object({ headline: z.string(), text: z.array(z.string()) }).optional(),
  lastReport: RunReport.optional(),
})
export type CenterItem = z.infer<typeof CenterItem>

export const CenterState = z.object({
  device: z.object({ name: z.string(), os: z.string() }),
  organisation: z.string(),
  /** Last policy, RFC 3339; absent before the first. */
  policyAt: z.iso.datetime().optional(),
  online: z.boolean(),
  items: z.array(CenterItem),
  run: RunProgress.optional(),
})
export type CenterState = z.infer<typeof CenterState>

/** Answer to *install*. */
export const InstallAnswer = z.object({ runId: RunId })
export type InstallAnswer = z.infer<typeof InstallAnswer>
