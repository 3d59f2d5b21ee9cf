import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ContentId, MAX_CACHE_CONTENTS, PackageId, type Sha256 } from '@sluice/protocol'
import { createOutbox } from '../report/outbox.ts'
import { openState } from '../state/state.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { createCacheReport } from './cache-report.ts'
import { createCacheRows } from './cache-rows.ts'
import { entryIdOf } from './entry.ts'

const contentId = (n: number) => n.toString(16).padStart(64, '0') as ContentId
const key = { packageKey: new Uint8Array(32), layout: { hash: '0'.repeat(64) as Sha256, sizeBytes: 1 } }

test('the site is told what the cache holds whole, once for each change, and never more than it may hear', async (t) => {
  const folder = temporaryFolder(t)
  const state = await openState(join(folder, 'state'))
  assert.ok(state.ok)
  t.after(() => state.value.close())
  const outbox = createOutbox({ state: state.value, bootId: 'boot', now: () => 1_000_000 })
  const cache = createCacheRows(state.value.db, join(folder, 'cache'))
  const report = createCacheReport({ state: state.value, outbox, cache })
  const begin = (n: number, files?: string[]) => {
    const entryId = entryIdOf(contentId(n), files)
    cache.insert({ entryId, packageId: PackageId.parse('ABC00001'), version: n, persist: false }, n)
    return entryId
  }
  const said = () =>
    outbox.batch(100, 1_000_000).map(({ message: { event } }) => (event.kind === 'cacheState' ? event : undefined))

  report()
  assert.deepEqual(said(), [], 'an empty cache that never held anything is no news')
  cache.complete(begin(1), 10, key, 1)
  cache.complete(begin(1, ['*.inf']), 10, key, 1)
  begin(2)
  report()
  report()
  assert.deepEqual(said(), [{ kind: 'cacheState', contents: [contentId(1)], more: 0 }])

  for (let n = 3; n < MAX_CACHE_CONTENTS + 5; n++) cache.complete(begin(n), 10, key, n)
  report()
  const [, many] = said()
  assert.deepEqual([many?.contents.length, many?.more], [MAX_CACHE_CONTENTS, 3])
  assert.equal(many?.contents[0], contentId(MAX_CACHE_CONTENTS + 4), 'the last used first')
})
