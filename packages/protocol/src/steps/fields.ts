/** Fields that steps share: those of every node of a sequence, of whatever acts outside the engine, and of whatever runs a program. */
import { z } from 'zod'
import { Condition } from '../condition.ts'
import { OriginalStep } from '../original.ts'
import { SecretName } from '../secret.ts'
import { SettableVariableName } from '../variable.ts'

/** What to do when the machine stopped in the middle of a step (design §6). */
export const StepClass = z.enum(['idempotent', 'probe', 'once'])
export type StepClass = z.infer<typeof StepClass>

export const ofEvery = {
  name: z.string().min(1).max(100),
  description: z.string().max(256).optional(),
  disabled: z.boolean().optional(),
  continueOnError: z.boolean().optional(),
  condition: Condition.optional(),
  original: OriginalStep.optional(),
}

/** Tries after the first, when a step failed. One of which nobody saw the end is no failure that is tried again. */
export const StepRetry = z.strictObject({
  count: z.int().min(1).max(100),
  /** Pause before each further try. */
  delaySeconds: z.int().min(0).max(3600).optional(),
})

export const common = { ...ofEvery, retry: StepRetry.optional() }

/** Fields of every step that does something outside the engine. */
export const acting = {
  ...common,
  class: StepClass.optional(),
  /**
   * With class `probe`: a command that only looks. It is run when nobody saw how the step ended, and
   * ends with 0 when the step had done its work, with 1 when it had not.
   */
  probe: z.string().min(1).max(32_000).optional(),
  /** 1 to 999 minutes, as in the original; absent: no limit of its own. */
  timeoutMinutes: z.number().positive().max(999).optional(),
}

/** An account and the secret that holds its password. On Linux a local account needs none. */
export const RunAs = z.strictObject({ account: z.string().min(1).max(255), secret: SecretName.optional() })
export type RunAs = z.infer<typeof RunAs>

/** What running a program has in every step that does. */
export const running = {
  startIn: z.string().max(4000).optional(),
  /** Exit codes that mean success; 3010 asks for a restart. Default 0 and 3010. */
  successCodes: z.array(z.int()).min(1).max(100).optional(),
  /** Output to task sequence variable: the last 1,000 characters. */
  outputTo: SettableVariableName.optional(),
  runAs: RunAs.optional(),
  /** What its processes may ask for with `sluice-ts secret <name>`; each is revealed when it is asked for. */
  secrets: z.array(SecretName).min(1).max(20).optional(),
}
