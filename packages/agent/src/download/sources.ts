/**
 * Which source to fetch a content from: the best that works, in the order that the site gave. One that
 * fails rests for a while and the next takes its place; when all rest, the best is tried again.
 *
 * Owns the choice and its reasons. Does not own addresses (`url-book.ts`) or who may fetch (`grants.ts`).
 */
import type { CloudPointId, ContentGrant, ContentId, GatewayId, Problem } from '@sluice/protocol'

export type Source =
  | { kind: 'gateway'; id: GatewayId; name: string }
  | { kind: 'cloud'; id: CloudPointId; name: string }

/** What a source was used or not used for, for the log and the site. */
export type SourceNews =
  /** It was here already. */
  | { kind: 'cache'; contentId: ContentId }
  | { kind: 'chosen'; contentId: ContentId; source: Source; place: number; of: number }
  | { kind: 'passedOver'; contentId: ContentId; name: string; problem: Problem }
  /** It lies elsewhere than the layout says: where is asked again. */
  | { kind: 'moved'; contentId: ContentId; problem: Problem }

export interface Sources {
  /** Sources of a grant, to be tried in this order; the first are those that do not rest. */
  order(grant: Pick<ContentGrant, 'contentId' | 'sources' | 'points' | 'passedOver'>): Source[]
  /** It gave an address, and is used from now on. */
  chose(contentId: ContentId, source: Source): void
  /** It did not do what it must: it rests. Gives whether the content has another source. */
  failed(contentId: ContentId, source: Source, problem: Problem): boolean
  /** Something right came of it: should it fail again, that is said again. */
  worked(contentId: ContentId, source: Source): void
}

/** For a log. */
export function describeSource(news: SourceNews): string {
  switch (news.kind) {
    case 'cache':
      return 'Source: the cache of this device.'
    case 'chosen': {
      const { source, place, of } = news
      return `Source: ${source.kind === 'cloud' ? 'cloud distribution point' : 'gateway'} ${source.name}, ${place} of ${of} in order.`
    }
    case 'passedOver':
      return `Source passed over: ${news.name}: ${news.problem.code}: ${news.problem.detail}`
    case 'moved':
      return `The content lies elsewhere now, asking where: ${news.problem.code}: ${news.problem.detail}`
  }
}

/** After this a source that failed is tried before those behind it again. */
const REST_MS = 60_000
/** A source has several streams: while some fail and others go on, it is one failure, and is said once. */
const QUIET_MS = 5_000

/** @param onNews each choice, and each reason once until its source works again */
export function createSources(onNews: (news: SourceNews) => void, nowMs = () => performance.now()): Sources {
  const resting = new Map<string, number>()
  const chosen = new Map<ContentId, string>()
  /** Reasons, by content and source: of the site, and of what was seen here. */
  const refused = new Set<string>()
  const seen = new Map<string, { codes: Set<string>; lastMs: number }>()
  const known = new Map<ContentId, Source[]>()

  const rests = ({ id }: Source) => (resting.get(id) ?? 0) > nowMs()

  return {
    order({ contentId, sources, points, passedOver }) {
      for (const { name, problem } of passedOver) {
        const key = `${contentId} ${name} ${problem.code}`
        if (!refused.has(key)) onNews({ kind: 'passedOver', contentId, name, problem: problem as Problem })
        refused.add(key)
      }
      const all: Source[] = [
        ...sources.map(({ gatewayId, name }) => ({ kind: 'gateway' as const, id: gatewayId, name })),
        ...points.map(({ pointId, name }) => ({ kind: 'cloud' as const, id: pointId, name })),
      ]
      known.set(contentId, all)
      return [...all.filter((source) => !rests(source)), ...all.filter(rests)]
    },
    chose(contentId, source) {
      if (chosen.get(contentId) === source.id) return
      chosen.set(contentId, source.id)
      const all = known.get(contentId) ?? [source]
      const place = all.findIndex(({ id }) => id === source.id) + 1
      onNews({ kind: 'chosen', contentId, source, place, of: all.length })
    },
    failed(contentId, source, problem) {
      resting.set(source.id, nowMs() + REST_MS)
      const { codes } = seen.get(`${contentId} ${source.id}`) ?? { codes: new Set() }
      seen.set(`${contentId} ${source.id}`, { codes, lastMs: nowMs() })
      if (!codes.has(problem.code)) onNews({ kind: 'passedOver', contentId, name: source.name, problem })
      codes.add(problem.code)
      return known.get(contentId)?.some(({ id }) => id !== source.id) === true
    },
    worked(contentId, source) {
      const failures = seen.get(`${contentId} ${source.id}`)
      if (failures !== undefined && nowMs() - failures.lastMs >= QUIET_MS) seen.delete(`${contentId} ${source.id}`)
    },
  }
}
