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

/** @param onNews each choice and each reason, once until it changes */
export function createSources(onNews: (news: SourceNews) => void, nowMs = () => performance.now()): Sources {
  const resting = new Map<string, number>()
  const chosen = new Map<ContentId, string>()
  const told = new Set<string>()
  const known = new Map<ContentId, Source[]>()

  const pass = (contentId: ContentId, name: string, problem: Problem) => {
    const key = `${contentId} ${name} ${problem.code}`
    if (told.has(key)) return
    told.add(key)
    onNews({ kind: 'passedOver', contentId, name, problem })
  }
  const rests = ({ id }: Source) => (resting.get(id) ?? 0) > nowMs()

  return {
    order({ contentId, sources, points, passedOver }) {
      for (const { name, problem } of passedOver) pass(contentId, name, problem as Problem)
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
      told.delete(`${contentId} ${source.name} ${problem.code}`)
      pass(contentId, source.name, problem)
      return known.get(contentId)?.some(({ id }) => id !== source.id) === true
    },
  }
}
