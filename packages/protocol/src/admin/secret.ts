/** Secrets as administrators handle them: set, listed by name, deleted, never read. */
import { z } from 'zod'
import { SecretName, SecretValue } from '../secret.ts'
import { type AdminRoute, plain } from './route.ts'

export const SecretInfo = z.object({
  name: SecretName,
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  /** How often it was revealed to a device, as far as it is remembered (90 days). */
  reveals: z.int().nonnegative(),
  lastRevealedAt: z.iso.datetime().optional(),
})
export type SecretInfo = z.infer<typeof SecretInfo>

export const SecretSet = z.strictObject({ value: SecretValue })

export const secretRoutes = {
  secrets: { method: 'GET', path: '/admin/v1/secrets', ...plain, answer: z.array(SecretInfo) },
  /** Makes or replaces the secret of that name. The value is in no answer. */
  setSecret: { method: 'PUT', path: '/admin/v1/secrets/:id', ...plain, body: SecretSet, answer: SecretInfo },
  deleteSecret: { method: 'DELETE', path: '/admin/v1/secrets/:id', ...plain, answer: z.object({}) },
} as const satisfies Record<string, AdminRoute>
