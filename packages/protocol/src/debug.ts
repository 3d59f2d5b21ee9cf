/**
 * The debugger of a sequence: what an administrator may tell a run that stands still between two
 * instructions, and what the device shows of it. Orders travel in policy, numbered, each obeyed once;
 * the answer is one bounded document in a status message.
 */
import { z } from 'zod'
import { RunId } from './ids.ts'
import { Problem } from './problem.ts'
import { VariableName, VariableValue } from './variable.ts'

const instruction = z.int().min(0).max(100_000)

export const DebugOrder = z.discriminatedUnion('kind', [
  /** Stop before the next instruction. */
  z.strictObject({ kind: z.literal('attach') }),
  /** Carry out the next instruction, then stop again. */
  z.strictObject({ kind: z.literal('step') }),
  /** Go on to the next breakpoint, a step that fails, or the end. */
  z.strictObject({ kind: z.literal('run') }),
  /** Go on from another step or group; nothing is checked but that it is one of the main part. */
  z.strictObject({ kind: z.literal('setCurrent'), instruction }),
  z.strictObject({ kind: z.literal('setBreak'), instruction, on: z.boolean() }),
  z.strictObject({ kind: z.literal('clearBreaks') }),
  /** An empty value removes the variable. */
  z.strictObject({ kind: z.literal('setVariable'), name: VariableName, value: VariableValue }),
  /** Show the state again, with the end of `smsts.log` where it is asked for. */
  z.strictObject({ kind: z.literal('look'), log: z.boolean().default(false) }),
  /** Detach: no breakpoints any more, and the run goes on as without a debugger. */
  z.strictObject({ kind: z.literal('quit') }),
])
export type DebugOrder = z.infer<typeof DebugOrder>

/** Orders for one run that its device has not obeyed yet. */
export const DEBUG_ORDERS = 20

/** Bounds of `DebugState`: lengths in characters. */
export const debugBounds = {
  /** Instructions shown before and behind the present one. */
  stepsBefore: 20,
  stepsAfter: 60,
  breaks: 200,
  variables: 1_000,
  /** Names and values together; what does not fit is counted. */
  variableText: 64 * 1024,
  /** The end of `smsts.log`. */
  logText: 32 * 1024,
} as const

/** As policy names it. What `order` is the device checks by itself: a newer site may know more orders. */
export const NumberedDebugOrder = z.object({
  runId: RunId,
  /** Rises by one with each order for a run. */
  n: z.int().positive(),
  order: z.record(z.string().max(64), z.json()),
})
export type NumberedDebugOrder = z.infer<typeof NumberedDebugOrder>

/** Why the run stands still. */
export const DebugReason = z.enum(['started', 'attached', 'stepped', 'breakpoint', 'failed', 'moved'])
export type DebugReason = z.infer<typeof DebugReason>

export const DebugState = z.object({
  v: z.literal(1),
  /** The last order that was obeyed or refused; 0: none. */
  order: z.int().nonnegative(),
  mode: z.enum(['waiting', 'stepping', 'running', 'detached']),
  why: DebugReason.optional(),
  /** Why the step failed at which the run stands. */
  problem: Problem.optional(),
  /** Why the last order was not obeyed. */
  refused: Problem.optional(),
  /** The instruction that comes next. */
  pointer: z.int().nonnegative(),
  instructions: z.int().nonnegative(),
  /** Instructions around the pointer, ends of groups left out. */
  steps: z
    .array(
      z.object({
        instruction: z.int().nonnegative(),
        kind: z.enum(['group', 'step']),
        depth: z.int().nonnegative(),
        name: z.string().max(100),
        disabled: z.literal(true).optional(),
      }),
    )
    .max(debugBounds.stepsBefore + 1 + debugBounds.stepsAfter),
  breaks: z.array(z.int().nonnegative()).max(debugBounds.breaks),
  /** By name; masked values as asterisks. */
  variables: z
    .array(z.object({ name: z.string().max(256), value: z.string().max(4_000), hidden: z.boolean() }))
    .max(debugBounds.variables),
  /** Variables that found no room. */
  variablesLeftOut: z.int().nonnegative(),
  log: z.string().max(debugBounds.logText).optional(),
})
export type DebugState = z.infer<typeof DebugState>
