/** The closing report of a run: the same object in status, in Software Center and at `npm start -- --once --json`. */
import { z } from 'zod'
import { PackageId } from './ids.ts'
import { Problem } from './problem.ts'

export const StepOutcome = z.enum(['succeeded', 'failed', 'failedContinued', 'skipped', 'unknown'])
export type StepOutcome = z.infer<typeof StepOutcome>

/** A step that is behind the run. */
export const FinishedStep = z.object({
  name: z.string(),
  outcome: StepOutcome,
  ms: z.number().nonnegative(),
  /** Why it failed. */
  problem: Problem.optional(),
})
export type FinishedStep = z.infer<typeof FinishedStep>

/** Where the bytes of a content came from. */
export const ByteSources = z.object({
  /** Over the network, as they came: packs, pages and roots, also those of no use. */
  cloudBytes: z.int().nonnegative(),
  gatewayBytes: z.int().nonnegative(),
  /** Plain bytes that the cache of the device had before the run. */
  cacheBytes: z.int().nonnegative(),
  /** Plain bytes of older versions, other packages and files of the device. */
  seedBytes: z.int().nonnegative(),
})
export type ByteSources = z.infer<typeof ByteSources>

export const RunReport = z.object({
  result: z.enum(['success', 'failure', 'cancelled']),
  /** The step that decided a failure, and why. */
  failedStep: z.string().optional(),
  problem: Problem.optional(),
  /** As in `MiniOS 1 (alpha)`, from os-release; before the first and after the last step. */
  osBefore: z.string(),
  osAfter: z.string(),
  /** From *Install* to the start of the first step, in milliseconds. */
  firstStepMs: z.number().nonnegative(),
  totalMs: z.number().nonnegative(),
  /** Stored bytes of the frames of everything the sequence references. */
  referencedBytes: z.int().nonnegative(),
  /** Stored bytes of the frames that the steps which ran need and the device lacked. */
  neededBytes: z.int().nonnegative(),
  /** Pack bytes that came over the network, counted where they are received. */
  fetchedBytes: z.int().nonnegative(),
  /** Bytes of manifest and layout pages and roots that came over the network. */
  metadataBytes: z.int().nonnegative(),
  /** Of all packages together; absent from agents that did not count them. */
  sources: ByteSources.optional(),
  packages: z.array(
    z.object({
      id: PackageId,
      name: z.string(),
      referencedBytes: z.int().nonnegative(),
      neededBytes: z.int().nonnegative(),
      fetchedBytes: z.int().nonnegative(),
      sources: ByteSources.optional(),
    }),
  ),
  steps: z.array(FinishedStep),
  restarts: z.int().nonnegative(),
  /** The log on the device. */
  logPath: z.string(),
})
export type RunReport = z.infer<typeof RunReport>
