import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_PAGE_BYTES } from '@sluice/protocol'
import { sha256 } from '../pack/hash.ts'
import { value } from '../testing/value.ts'
import type { Extent, FileEntry } from './file-entry.ts'
import { decodeManifestPage, encodeManifestPage } from './manifest.ts'
import { createManifestPager } from './manifest-pager.ts'

const MiB = 1024 * 1024

interface MadeFile {
  path: string
  extents: Extent[]
}

const chunk = (name: string): Extent => ({ kind: 'chunk', id: sha256(Buffer.from(name)), sizeBytes: 131_072 })
const small = (i: number): MadeFile => ({ path: `files/${String(i).padStart(7, '0')}`, extents: [chunk(`small ${i}`)] })

/** The encoded pages of files, each checked to be one that every reader takes. */
function pagesOf(files: readonly MadeFile[]): Buffer[] {
  const pager = createManifestPager()
  const pages: Buffer[] = []
  const emit = (entries: FileEntry[] | undefined) => {
    if (entries === undefined) return
    const page = encodeManifestPage(entries)
    deepEqual(value(decodeManifestPage(page, 'linux')).entries, entries)
    ok(page.length <= MAX_PAGE_BYTES / 2)
    pages.push(page)
  }
  for (const { path, extents } of files) {
    const sizeBytes = extents.reduce((sum, extent) => sum + extent.sizeBytes, 0)
    emit(pager.begin({ kind: 'file', path, modifiedMs: 0, executable: false, sizeBytes, offset: 0, extents: [] }))
    for (const extent of extents) emit(pager.extend(extent))
  }
  emit(pager.finish())
  equal(pager.finish(), undefined)
  return pages
}

const fresh = (before: Buffer[], after: Buffer[]): number => {
  const known = new Set(before.map(sha256))
  return after.filter((page) => !known.has(sha256(page))).length
}

test('a large file goes on over several pages, without a gap', () => {
  const extents = Array.from(
    { length: 20_000 },
    (_, i): Extent => (i % 1000 === 7 ? { kind: 'hole', sizeBytes: MiB } : chunk(`large ${i}`)),
  )
  const pages = pagesOf([
    { path: 'before', extents: [] },
    { path: 'large', extents },
    { path: 'last', extents: [chunk('last')] },
  ])
  ok(pages.length > 5)
  const found: Extent[] = []
  let offset = 0
  for (const page of pages)
    for (const entry of value(decodeManifestPage(page, 'linux')).entries) {
      if (entry.kind !== 'file' || entry.path !== 'large') continue
      equal(entry.offset, offset)
      ok(entry.extents.length > 0)
      found.push(...entry.extents)
      offset += entry.extents.reduce((sum, extent) => sum + extent.sizeBytes, 0)
    }
  deepEqual(found, extents)
})

test('a change in a large file leaves the other pages as they are', () => {
  const extents = Array.from({ length: 20_000 }, (_, i) => chunk(`large ${i}`))
  const before = pagesOf([{ path: 'large', extents }])
  const changed = pagesOf([{ path: 'large', extents: extents.with(10_000, chunk('other')) }])
  ok(fresh(before, changed) <= 2, `${fresh(before, changed)} of ${before.length}`)
})

test('a file more or less, or changed, costs the pages around it', () => {
  const files = Array.from({ length: 5000 }, (_, i) => small(i))
  const before = pagesOf(files)
  ok(before.length >= 8)
  for (const after of [
    files.toSpliced(2500, 1),
    files.toSpliced(2500, 0, { path: 'files/0002499-added', extents: [chunk('added')] }),
    files.with(2500, { path: 'files/0002500', extents: [chunk('changed'), chunk('longer')] }),
  ])
    ok(fresh(before, pagesOf(after)) <= 3)
})
