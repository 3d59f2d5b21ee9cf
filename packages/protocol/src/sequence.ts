/**
 * A task sequence in its native form: what an administrator writes as YAML or JSON and what is
 * signed, byte for byte, in the catalogue. Strict: an unknown field is a fault in the file. The steps
 * are in steps/, by the menus of the original's editor. What a sequence *means* is the engine's business.
 */
import { z } from 'zod'
import type { Condition } from './condition.ts'
import { SequenceId } from './ids.ts'
import { OriginalSequence, type OriginalStep } from './original.ts'
import { ofEvery } from './steps/fields.ts'
import { Step } from './steps/step.ts'
import { SettableVariableName, VariableValue } from './variable.ts'

export interface Group {
  type: 'group'
  name: string
  description?: string | undefined
  disabled?: boolean | undefined
  continueOnError?: boolean | undefined
  condition?: Condition | undefined
  original?: OriginalStep | undefined
  /** The steps are those of this sequence, as it was when this one was released. */
  sequence?: SequenceId | undefined
  steps: SequenceNode[]
}
export type SequenceNode = Group | Step

export const Group = z.strictObject({
  type: z.literal('group'),
  ...ofEvery,
  sequence: SequenceId.optional(),
  steps: z.array(z.lazy((): z.ZodType<SequenceNode> => SequenceNode)).max(10_000),
})
export const SequenceNode: z.ZodType<SequenceNode> = z.discriminatedUnion('type', [Group, ...Step.options])

/** A value that may come from outside the signed sequence (design §5). */
export const SequenceInput = z.strictObject({
  variable: SettableVariableName,
  description: z.string().max(256).optional(),
  /** Regular expression that the whole value must match. */
  pattern: z.string().max(500).optional(),
  maxLength: z.int().min(1).max(4000).default(4000),
  default: VariableValue.optional(),
})
export type SequenceInput = z.infer<typeof SequenceInput>

export const SEQUENCE_FORMAT = 'sluice-sequence/1'

export const Sequence = z.strictObject({
  format: z.literal(SEQUENCE_FORMAT),
  name: z.string().min(1).max(127),
  description: z.string().max(512).optional(),
  /** Shown in Software Center, 0 to 999 minutes. */
  estimatedRunTimeMinutes: z.int().min(0).max(999).optional(),
  /** Original's default: 120. */
  maximumRunTimeMinutes: z.int().min(1).max(10_080).default(120),
  /** What the user reads before installing; without it, the standard text for OS upgrades. */
  confirmation: z.strictObject({ headline: z.string().max(255), text: z.array(z.string().max(255)).max(3) }).optional(),
  /** Whether its runs may be debugged where releases are made with keys that the site does not hold. */
  debug: z.boolean().optional(),
  inputs: z.array(SequenceInput).max(200).default([]),
  /** Set once at the start, before the inputs: an input of the same name wins. */
  variables: z
    .array(z.strictObject({ variable: SettableVariableName, value: VariableValue }))
    .max(1000)
    .optional(),
  original: OriginalSequence.optional(),
  steps: z.array(SequenceNode).min(1).max(10_000),
  /** Runs at the end, however that came: after success, failure and cancelling. */
  finally: z.array(SequenceNode).min(1).max(1_000).optional(),
})
export type Sequence = z.infer<typeof Sequence>
