/** Tells the site what the cache holds, when that is something else than it was told before. */
import { type ContentId, MAX_CACHE_CONTENTS, type StatusEvent } from '@sluice/protocol'
import type { Outbox } from '../report/outbox.ts'
import { createSettings } from '../state/settings.ts'
import type { State } from '../state/state.ts'
import type { CacheRow, CacheRows } from './cache-rows.ts'

/** Parts are left out: they say little of what an update costs. */
function heldContents(rows: readonly CacheRow[]): { contents: ContentId[]; more: number } {
  const whole = rows.filter(({ complete, part }) => complete && !part).toSorted((a, b) => b.usedAt - a.usedAt)
  const contents = [...new Set(whole.map(({ contentId }) => contentId))]
  return { contents: contents.slice(0, MAX_CACHE_CONTENTS), more: Math.max(0, contents.length - MAX_CACHE_CONTENTS) }
}

export function createCacheReport(options: {
  state: State
  outbox: Outbox
  cache: Pick<CacheRows, 'all'>
}): () => void {
  const { state, outbox, cache } = options
  const settings = createSettings(state)
  return () =>
    state.transaction(() => {
      const held = heldContents(cache.all())
      // Which was used last is no news.
      const told = JSON.stringify([held.contents.toSorted(), held.more])
      if (settings.get('cacheReported') === told) return
      if (held.contents.length === 0 && settings.get('cacheReported') === undefined) return
      settings.set('cacheReported', told)
      outbox.enqueue({ kind: 'cacheState', ...held } satisfies StatusEvent)
    })
}
