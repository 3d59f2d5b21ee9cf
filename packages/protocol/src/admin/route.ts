/** What a route of the admin API says of itself, and what the routes of all nouns share. */
import { z } from 'zod'

export interface AdminRoute {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  maxBodyBytes: number
  body?: z.ZodType
  /** Of a GET: what may stand behind `?`; without it, nothing is asked there. */
  query?: z.ZodType
  answer: z.ZodType
}

/** Of a route whose body is no list and no document. */
export const plain = { maxBodyBytes: 64 * 1024 } as const

/** A body or an answer that says nothing. */
export const none = z.object({})

/** Of a thing, as administrators give it. */
export const Name = z.string().min(1).max(255)
