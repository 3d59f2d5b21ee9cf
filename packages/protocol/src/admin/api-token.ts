/** Tokens with which programs use the admin API, and who is calling at all. */
import { z } from 'zod'
import { AdministratorId, ApiTokenId, CollectionId } from '../ids.ts'
import { RoleName } from './role.ts'

const Time = z.iso.datetime()

/** What somebody may do, and where: no `collections` means everywhere. */
export const Grant = z.strictObject({
  roles: z.array(RoleName).min(1).max(20),
  collections: z.array(CollectionId).min(1).max(1_000).optional(),
})
export type Grant = z.infer<typeof Grant>

export const ApiTokenCreate = z.strictObject({
  name: z.string().min(1).max(255),
  ...Grant.shape,
  /** How long it holds; at most 400 days. */
  lifeMs: z
    .int()
    .min(60_000)
    .max(400 * 24 * 3600_000)
    .default(90 * 24 * 3600_000),
})

export const ApiTokenInfo = z.object({
  id: ApiTokenId,
  name: z.string(),
  ...Grant.shape,
  createdAt: Time,
  /** Absent: the token in the data folder, which holds until its file is replaced. */
  expiresAt: Time.optional(),
  /** To the minute. */
  lastUsedAt: Time.optional(),
  revokedAt: Time.optional(),
})
export type ApiTokenInfo = z.infer<typeof ApiTokenInfo>

/** Shown this once; stored hashed. */
export const ApiTokenMade = z.object({ token: z.string(), info: ApiTokenInfo })

export const Me = z.object({
  kind: z.enum(['token', 'administrator']),
  id: z.union([ApiTokenId, AdministratorId]),
  name: z.string(),
  ...Grant.shape,
})
export type Me = z.infer<typeof Me>
