/** Long lists of the site, read page by page: all of them for programs, the beginning for people. */
import { type AdminAnswer, type AdminCall, type AdminRouteId, MAX_PAGE, type Page } from '@sluice/protocol'
import { Option } from 'commander'
import { wholeNumber } from '../terminal/options.ts'
import type { Output } from '../terminal/output.ts'
import type { Site } from './site.ts'

/** Routes that answer with a page. */
type PagedRoute = { [K in AdminRouteId]: AdminAnswer<K> extends Page<unknown> ? K : never }[AdminRouteId]
type ItemOf<K extends PagedRoute> = AdminAnswer<K>['items'][number]

/** Lines that fit a person, who can ask for more. */
const SHOWN = 100

/** `--limit <count>` of a command that lists. */
export const limitOption = (): Option =>
  new Option(
    '--limit <count>',
    `how many at most (default: ${SHOWN} on a terminal, all into a pipe and with --json)`,
  ).argParser(wholeNumber(1, Number.MAX_SAFE_INTEGER))

export interface Listed<T> {
  items: T[]
  /** How many there are beside these. */
  more: number
}

/** Every item of a list, page by page as they are needed. */
export async function* itemsOf<K extends PagedRoute>(
  site: Pick<Site, 'call'>,
  route: K,
  request: AdminCall<K> = {},
): AsyncGenerator<ItemOf<K>> {
  let next: { cursor?: string } | undefined = {}
  while (next !== undefined) {
    const page: Page<ItemOf<K>> = await site.call(route, {
      ...request,
      query: { limit: String(MAX_PAGE), ...request.query, ...next },
    })
    yield* page.items
    next = page.next === undefined ? undefined : { cursor: page.next }
  }
}

/** @param limit what was typed; undefined: as many as fit who reads */
export async function listPages<K extends PagedRoute>(
  site: Site,
  out: Output,
  route: K,
  { limit, ...request }: AdminCall<K> & { limit?: number | undefined },
): Promise<Listed<ItemOf<K>>> {
  const most = limit ?? (out.person ? SHOWN : Number.POSITIVE_INFINITY)
  const items: ItemOf<K>[] = []
  for await (const item of itemsOf(site, route, request)) {
    if (items.length === most) {
      const counted: Page<ItemOf<K>> = await site.call(route, {
        ...request,
        query: { ...request.query, limit: '1', total: 'true' },
      })
      return { items, more: Math.max(1, (counted.total ?? 0) - most) }
    }
    items.push(item)
  }
  return { items, more: 0 }
}

/** The last line of a list that goes on. */
export const moreLines = ({ more }: Listed<unknown>): string[] =>
  more === 0 ? [] : [`… and ${more} more: --limit <count> shows them.`]
