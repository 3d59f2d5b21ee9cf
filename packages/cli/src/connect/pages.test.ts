/** Lists that are longer than a page, and what a person sees of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Output } from '../terminal/output.ts'
import { listPages, moreLines } from './pages.ts'
import type { Site } from './site.ts'

/** A site with so many devices, which gives pages as a site does; and the queries that it was asked. */
function siteWith(count: number) {
  const asked: Record<string, string>[] = []
  const site = {
    async call(_route: string, { query = {} }: { query?: Record<string, string> }) {
      asked.push(query)
      const from = Number(query.cursor ?? 0)
      const end = Math.min(count, from + Number(query.limit))
      return {
        items: Array.from({ length: end - from }, (_, i) => from + i),
        ...(end < count ? { next: String(end) } : {}),
        ...(query.total === 'true' ? { total: count } : {}),
      }
    },
  } as unknown as Site
  return { site, asked }
}

const out = (isTTY: boolean, json = false) =>
  new Output({ stdout: { write: () => {}, isTTY }, stderr: { write: () => {} } }, { json })

test('a program gets all, page after page', async () => {
  for (const to of [out(false), out(true, true)]) {
    const { site, asked } = siteWith(2_500)
    const listed = await listPages(site, to, 'devices', { query: { name: 'pc' } })
    assert.deepEqual([listed.items.length, new Set(listed.items).size, listed.more], [2_500, 2_500, 0])
    assert.deepEqual(
      asked.map(({ cursor, name }) => [cursor, name]),
      [undefined, '1000', '2000'].map((cursor) => [cursor, 'pc']),
    )
    assert.deepEqual(moreLines(listed), [])
  }
})

test('a person gets the first ones, and hears how many more there are', async () => {
  const listed = await listPages(siteWith(2_500).site, out(true), 'devices', {})
  assert.deepEqual([listed.items.length, listed.more], [100, 2_400])
  assert.match(moreLines(listed).join(), /2400 more/)
})

test('as many as were asked for, and not a page more than needed', async () => {
  const { site, asked } = siteWith(2_500)
  const listed = await listPages(site, out(false), 'devices', { limit: 1_500 })
  assert.deepEqual([listed.items.length, listed.more], [1_500, 1_000])
  assert.equal(asked.length, 3)
  assert.equal((await listPages(siteWith(100).site, out(true), 'devices', {})).more, 0, 'just as many as fit')
})
