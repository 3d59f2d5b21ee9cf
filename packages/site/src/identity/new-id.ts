/** New identifiers and tokens, from the system's randomness. */
import { createHash, randomBytes } from 'node:crypto'
import { idFromRandom, Sha256 } from '@sluice/protocol'
import type { z } from 'zod'

/** A new id of the kind that `schema` describes, as in `newId('dev', DeviceId)`. */
export const newId = <S extends z.ZodType>(prefix: string, schema: S): z.output<S> =>
  schema.parse(idFromRandom(prefix, randomBytes(20)))

/** 256 random bits as base64url: long enough that its plain SHA-256 can be kept instead of it. */
export const newToken = (): string => randomBytes(32).toString('base64url')

/** What is stored instead of a token. */
export const tokenHash = (token: string): Sha256 => Sha256.parse(createHash('sha256').update(token).digest('hex'))
