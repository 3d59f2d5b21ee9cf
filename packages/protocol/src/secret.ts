/**
 * Secrets of the site (design §5): what a step needs and nobody may read. A sequence names them; the
 * value goes to a device that runs it, one at a time, while the step runs.
 */
import { z } from 'zod'
import { DeploymentId, DeviceId, RunId } from './ids.ts'

/** Names a secret: the value is never part of a sequence, a policy or a status message. */
export const SecretName = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,99}$/, 'the name of a secret')

export const SecretValue = z.string().min(1).max(8_000)

export const SecretRequest = z.object({
  deploymentId: DeploymentId,
  runId: RunId,
  /** Name of the attempt within the run. */
  attempt: z.string().min(1).max(120),
  name: SecretName,
  /** Of this question: asked again after a lost answer, it is the same reveal. */
  nonce: z.string().min(16).max(64),
})
export type SecretRequest = z.infer<typeof SecretRequest>

/** JWE (compact) for the device's seal key, of an `Envelope` with a `Revelation`. */
export const SecretAnswer = z.object({ sealed: z.string().max(60_000) })
export type SecretAnswer = z.infer<typeof SecretAnswer>

export const SECRET_TYPE = 'application/vnd.sluice.secret+json;v=1'

/** Signed by a policy key, so that nobody on the way can put a value of his own in its place. */
export const Revelation = z.object({
  v: z.literal(1),
  deviceId: DeviceId,
  runId: RunId,
  attempt: z.string(),
  name: SecretName,
  nonce: z.string(),
  value: SecretValue,
})
export type Revelation = z.infer<typeof Revelation>
