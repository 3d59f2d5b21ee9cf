/**
 * Status messages of a device. Each carries (device, boot, sequence number), is stored before it is
 * sent and dropped only when acknowledged; the site takes each once (design §6).
 */
import { z } from 'zod'
import { DebugState } from './debug.ts'
import { ContentId, DeploymentId, PackageId, RunId } from './ids.ts'
import { Problem } from './problem.ts'
import { ByteSources, RunReport, StepOutcome } from './run-report.ts'

/** Contents that a device lists of its cache. */
export const MAX_CACHE_CONTENTS = 200

const run = { runId: RunId, deploymentId: DeploymentId }

export const StatusEvent = z.discriminatedUnion('kind', [
  /** The device looked at a deployment of a new policy: offered, or refused and why. */
  z.object({
    kind: z.literal('deploymentEvaluated'),
    deploymentId: DeploymentId,
    revision: z.int().positive(),
    refusals: z.array(Problem).max(20),
  }),
  z.object({ kind: z.literal('runStarted'), ...run, startedBy: z.enum(['user', 'deadline']) }),
  z.object({
    kind: z.literal('stepStarted'),
    ...run,
    instruction: z.int().nonnegative(),
    name: z.string().max(100),
    stepType: z.string().max(64),
  }),
  z.object({
    kind: z.literal('stepFinished'),
    ...run,
    instruction: z.int().nonnegative(),
    name: z.string().max(100),
    stepType: z.string().max(64),
    outcome: StepOutcome,
    ms: z.number().nonnegative(),
    problem: Problem.optional(),
  }),
  z.object({
    kind: z.literal('contentReady'),
    ...run,
    packageId: PackageId,
    contentId: ContentId,
    fetchedBytes: z.int().nonnegative(),
    neededBytes: z.int().nonnegative(),
    /** Where its bytes came from, for the run so far. */
    bytesFrom: ByteSources.optional(),
    /** Where the bytes came from, in the order of use; and what was passed over or given up, and why. */
    sources: z.array(z.string().max(255)).max(20).optional(),
    passedOver: z
      .array(z.object({ name: z.string().max(255), problem: Problem }))
      .max(20)
      .optional(),
  }),
  /** Content may not come now: the schedule or a metered connection is against it. Said once until it goes on. */
  z.object({ kind: z.literal('contentHeld'), ...run, packageId: PackageId, problem: Problem }),
  /** The device's user lets the run rest, and until when at the latest; it rests before its next step. */
  z.object({ kind: z.literal('runPaused'), ...run, until: z.iso.datetime() }),
  /** The user's pause is over: by his wish, by the administrator's, or since its time is. */
  z.object({ kind: z.literal('runResumed'), ...run }),
  z.object({ kind: z.literal('restarting'), ...run, message: z.string().max(512) }),
  /** The run stands still in the debugger, goes on, or obeyed an order. */
  z.object({ kind: z.literal('debugState'), ...run, state: DebugState }),
  z.object({ kind: z.literal('runFinished'), ...run, report: RunReport }),
  /** What the cache holds whole, the last used first. It takes the place of what was said before. */
  z.object({
    kind: z.literal('cacheState'),
    contents: z.array(ContentId).max(MAX_CACHE_CONTENTS),
    /** Contents that are not listed. */
    more: z.int().nonnegative(),
  }),
  /** Something outside any run that the administrator should know. */
  z.object({ kind: z.literal('agentProblem'), problem: Problem }),
])
export type StatusEvent = z.infer<typeof StatusEvent>

export const StatusMessage = z.object({
  /** Names one boot of the device. */
  bootId: z.string().min(1).max(128),
  /** Rises by one within a boot. */
  seq: z.int().positive(),
  at: z.iso.datetime(),
  event: StatusEvent,
})
export type StatusMessage = z.infer<typeof StatusMessage>

export const StatusRequest = z.object({ messages: z.array(StatusMessage).min(1).max(200) })
export type StatusRequest = z.infer<typeof StatusRequest>

/** Every message of the request is durable at the site when this is sent. */
export const StatusAnswer = z.object({ accepted: z.int().nonnegative() })
export type StatusAnswer = z.infer<typeof StatusAnswer>
