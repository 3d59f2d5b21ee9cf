/** Lists that grow with the fleet come in pages; the order of each is fixed, and a cursor says where the next begins. */
import { z } from 'zod'

/** Items of one page, at most, and where nothing is said. */
export const MAX_PAGE = 1_000
export const USUAL_PAGE = 100

/** What every such list can be asked in the query of its address. */
export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(USUAL_PAGE),
  /** `next` of the page before; of no meaning to anybody else. */
  cursor: z.string().min(1).max(1_000).optional(),
  /** Count all that fit, too. */
  total: z.stringbool().default(false),
})
export type PageQuery = z.infer<typeof PageQuery>

/** A page: what stands in it stands in no other one, whatever is added or removed meanwhile. */
export interface Page<T> {
  items: T[]
  /** Cursor of the next page; absent: this is the last. */
  next?: string | undefined
  /** Of all pages, where it was asked for. */
  total?: number | undefined
}

export const pageOf = <S extends z.ZodType>(item: S) =>
  z.object({
    items: z.array(item).max(MAX_PAGE),
    next: z.string().max(1_000).optional(),
    total: z.int().nonnegative().optional(),
  })
