import { Sequence } from '@sluice/protocol'
import { z } from 'zod'

/** The native form as JSON Schema (draft 2020-12), for editors. The rules of `rules.ts` go beyond it. */
export const sequenceJsonSchema = (): Record<string, unknown> => z.toJSONSchema(Sequence, { io: 'input' })
