/** Manifest and layout pages: what goes in comes out; everything else is refused and never a surprise. */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentId, ManifestRoot, PackageId, Sha256 } from '@sluice/protocol'
import type { FileEntry } from '../manifest/file-entry.ts'
import {
  decodeManifestPage,
  distinctChunks,
  encodeManifestPage,
  openManifestPage,
  readManifestRoot,
} from '../manifest/manifest.ts'
import type { ChunkLocation, PackInfo } from '../pack/chunk-location.ts'
import { sha256 } from '../pack/hash.ts'
import { seededBytes, seededNumbers } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { decodeLayoutPage, encodeLayoutPage, openLayoutRoot } from './layout.ts'
import { openPage, PageKind, sealPage } from './page-seal.ts'

const key = seededBytes('package key', 32)
const id = (name: string) => sha256(Buffer.from(name))
const chunk = (name: string, sizeBytes: number) => ({ kind: 'chunk', id: id(name), sizeBytes }) as const

const entries: FileEntry[] = [
  { kind: 'folder', path: 'a', modifiedMs: -5 },
  { kind: 'file', path: 'b/c', modifiedMs: 1e12, executable: true, sizeBytes: 7, offset: 0, extents: [chunk('x', 7)] },
  { kind: 'file', path: 'b/d', modifiedMs: 9e11, executable: false, sizeBytes: 0, offset: 0, extents: [] },
  { kind: 'symlink', path: 'b.txt', modifiedMs: 1e12 + 1, target: '../näher' },
  {
    kind: 'file',
    path: 'large',
    modifiedMs: 1e12,
    executable: false,
    sizeBytes: 2 ** 40,
    offset: 2 ** 35,
    extents: [chunk('y', 1024 * 1024), { kind: 'hole', sizeBytes: 2 ** 33 }, chunk('x', 7), chunk('y', 1024 * 1024)],
  },
]
const chunks = distinctChunks(entries)
const packs = new Map<Sha256, PackInfo>(
  ['p', 'q'].map((name) => [id(name), { hash: id(name), sizeBytes: 1_000_000, salt: seededBytes(name, 32) }]),
)
const at = (pack: string, frameOffset: number, frameHash: Sha256, offsetInFrame = 0): ChunkLocation => ({
  pack: id(pack),
  frameOffset,
  frameBytes: 500,
  frameHash,
  offsetInFrame,
})

test('manifest entries of every kind come back, in bytes that do not depend on the moment', () => {
  const plain = encodeManifestPage(entries)
  deepEqual(value(decodeManifestPage(plain, 'linux')), { entries, chunks })
  deepEqual(encodeManifestPage(entries), plain)
})

test('locations of every kind come back', () => {
  const six = ['1', '2', '3', '4', '5', '6'].map((name) => ({ id: id(name), sizeBytes: 10 }))
  const cases: ChunkLocation[][] = [
    six.map((_, i) => at('p', 16, id('shared'), i * 10)),
    six.map((_, i) => at('p', 16, id('shared'), 50 - i * 10)),
    six.map(({ id }, i) => at('q', 16 + i * 500, id)),
    six.map(({ id }, i) => at(i % 2 ? 'p' : 'q', 90_000 - i * 1000, id)),
    six.map(({ id }, i) =>
      at(i % 3 ? 'p' : 'q', 16 + i * 600, i === 4 ? id : sha256(Buffer.from(`f${i}`)), 5 * (i & 2)),
    ),
  ]
  for (const locations of cases) {
    const plain = encodeLayoutPage(six, locations)
    deepEqual(value(decodeLayoutPage(plain, six, packs)), locations)
  }
})

test('paths that could leave the folder or hide another are refused by every reader', () => {
  const one = (path: string, target: 'linux' | 'windows' | 'any' = 'any') =>
    decodeManifestPage(encodeManifestPage([{ kind: 'folder', path, modifiedMs: 0 }]), target)
  for (const path of [
    '',
    '/',
    '/etc',
    '..',
    '../x',
    'a/../b',
    'a//b',
    'a/',
    './a',
    'a\0',
    'x'.repeat(256),
    'a/'.repeat(3000),
  ])
    for (const target of ['linux', 'windows', 'any'] as const) {
      const result = one(path, target)
      equal(result.ok ? 'read' : result.problem.code, 'MANIFEST_REFUSED', JSON.stringify(path.slice(0, 20)))
    }
  for (const path of ['C:/x', 'a:b', 'CON', 'x/nul.txt', 'COM¹', 'a\\b', 'a.', 'a ', '\u0001', 'é'.normalize('NFD')]) {
    ok(one(path, 'linux').ok, path)
    ok(!one(path, 'windows').ok && !one(path, 'any').ok, path)
  }
  const twice = (first: string, second: string) =>
    decodeManifestPage(
      encodeManifestPage([first, second].map((path) => ({ kind: 'symlink', path, modifiedMs: 0, target: '/etc' }))),
      'linux',
    )
  ok(twice('a', 'b').ok)
  for (const [first, second] of [
    ['a', 'a'],
    ['b', 'a'],
    ['a', 'a/passwd'],
  ] as const)
    ok(!twice(first, second).ok, `${first} then ${second}`)
})

test('extents that do not fit their file are refused', () => {
  const file = (more: Partial<FileEntry & { kind: 'file' }>) =>
    decodeManifestPage(
      encodeManifestPage([
        { kind: 'file', path: 'f', modifiedMs: 0, executable: false, sizeBytes: 10, offset: 0, extents: [], ...more },
      ]),
      'linux',
    )
  ok(file({ extents: [chunk('x', 4), { kind: 'hole', sizeBytes: 6 }] }).ok)
  ok(!file({ extents: [] }).ok)
  ok(!file({ extents: [chunk('x', 11)] }).ok)
  ok(!file({ extents: [chunk('x', 0)] }).ok)
  ok(!file({ offset: 11, extents: [chunk('x', 1)] }).ok)
  ok(!file({ sizeBytes: 2 ** 30, extents: [chunk('x', 2 ** 21)] }).ok)
})

test('a path that many entries share cannot make a page expand without bound', () => {
  const long = 'x/'.repeat(1500)
  const many = Array.from({ length: 3000 }, (_, i) => ({
    kind: 'folder' as const,
    path: `${long}${String(i).padStart(6, '0')}`,
    modifiedMs: 0,
  }))
  const plain = encodeManifestPage(many)
  ok(plain.length < 100_000)
  ok(!decodeManifestPage(plain, 'linux').ok)
})

test('mutated pages give entries that are fit, or MANIFEST_REFUSED; never anything else', () => {
  const number = seededNumbers('mutations')
  const locations = chunks.map(({ id }, i) =>
    at('p', 16 + 500 * i, i === 1 ? sha256(Buffer.from('f')) : id, i === 1 ? 3 : 0),
  )
  const pages = [encodeManifestPage(entries), encodeLayoutPage(chunks, locations)]
  let accepted = 0
  for (let i = 0; i < 40_000; i++) {
    let bytes = Buffer.from(pages[i % 2] as Buffer)
    for (let edits = 1 + number(4); edits > 0; edits--) {
      const where = number(bytes.length)
      const kind = number(4)
      if (kind === 0) bytes.writeUInt8(number(256), where)
      else if (kind === 1) bytes.writeUInt8([0, 1, 0x7f, 0x80, 0xff][number(5)] as number, where)
      else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, where), bytes.subarray(where + number(5))])
      else bytes = Buffer.concat([bytes.subarray(0, where), seededBytes(`${i}`, number(9)), bytes.subarray(where)])
      if (bytes.length === 0) bytes = Buffer.from([0])
    }
    const result = i % 2 === 0 ? decodeManifestPage(bytes, 'any') : decodeLayoutPage(bytes, chunks, packs)
    if (result.ok) accepted++
    else equal(result.problem.code, 'MANIFEST_REFUSED')
  }
  // Most of the bytes are hashes, which any value fits: those are caught by the hash of the page.
  ok(accepted > 100 && accepted < 30_000, `${accepted}`)
})

test('a sealed page opens for its package only, and only as it was', async () => {
  const plain = encodeManifestPage(entries)
  const sealed = await sealPage(PageKind.manifest, plain, key)
  equal(sealed.hash, sha256(sealed.bytes))
  deepEqual((await sealPage(PageKind.manifest, plain, key)).bytes, sealed.bytes)
  notDeepEqual((await sealPage(PageKind.layout, plain, key)).bytes, sealed.bytes)
  ok(!sealed.bytes.includes('large'))

  const root: ManifestRoot = {
    format: 'sluice-manifest/1',
    packageId: 'ABC00001' as PackageId,
    version: 1,
    target: 'linux',
    fileCount: 4,
    totalBytes: 7,
    chunkCount: 2,
    pages: [{ hash: sha256(plain), sizeBytes: plain.length, fileCount: 4, chunkCount: 2 }],
  }
  deepEqual(value(openManifestPage(sealed.bytes, key, root, 0)), { entries, chunks })
  const refusals = [
    openManifestPage(sealed.bytes, seededBytes('another key', 32), root, 0),
    openManifestPage(sealed.bytes, key, root, 1),
    openManifestPage((await sealPage(PageKind.manifest, encodeManifestPage([]), key)).bytes, key, root, 0),
    openManifestPage((await sealPage(PageKind.layout, plain, key)).bytes, key, root, 0),
    openManifestPage(sealed.bytes, key, { ...root, pages: root.pages.map((page) => ({ ...page, fileCount: 5 })) }, 0),
    openManifestPage(sealed.bytes, key, { ...root, target: 'windows', pages: [] }, 0),
  ]
  for (let i = 0; i < sealed.bytes.length; i++) {
    const changed = Buffer.from(sealed.bytes)
    changed.writeUInt8(changed.readUInt8(i) ^ (1 << (i % 8)), i)
    refusals.push(openManifestPage(changed, key, root, 0), openManifestPage(sealed.bytes.subarray(0, i), key, root, 0))
  }
  for (const result of refusals) equal(result.ok ? 'opened' : result.problem.code, 'MANIFEST_REFUSED')

  const bytes = Buffer.from(JSON.stringify(root))
  deepEqual(value(readManifestRoot(bytes, sha256(bytes) as ContentId)), root)
  for (const wrong of [Buffer.concat([bytes, Buffer.from(' ')]), Buffer.from('{}'), Buffer.alloc(9_000_000)]) {
    ok(!readManifestRoot(wrong, sha256(bytes) as ContentId).ok)
    ok(!readManifestRoot(wrong, sha256(wrong) as ContentId).ok || wrong.length > bytes.length)
  }
})

test('a layout root is read for its content only', async () => {
  const contentId = id('content') as ContentId
  const pack = { hash: id('p'), sizeBytes: 1000, salt: seededBytes('p', 32).toString('base64') }
  const seal = async (root: unknown) =>
    (await sealPage(PageKind.layoutRoot, Buffer.from(JSON.stringify(root)), key)).bytes
  const good = { format: 'sluice-layout/1', contentId, pages: [], packs: [pack] }
  const layout = value(openLayoutRoot(await seal(good), key, contentId))
  deepEqual(layout.packs.get(id('p')), { hash: id('p'), sizeBytes: 1000, salt: seededBytes('p', 32) })
  for (const bad of [
    { ...good, contentId: id('other') },
    { ...good, packs: [{ ...pack, salt: 'AAAA' }] },
    { ...good, packs: [{ ...pack, sizeBytes: 2 ** 40 }] },
    { ...good, format: 'sluice-layout/9' },
    'text',
  ]) {
    const result = openLayoutRoot(await seal(bad), key, contentId)
    equal(result.ok ? 'opened' : result.problem.code, 'MANIFEST_REFUSED')
  }
})

test('a page that claims to expand beyond its bound is refused before it expands', async () => {
  const sealed = await sealPage(PageKind.manifest, Buffer.alloc(3 * 1024 * 1024), key)
  ok(sealed.bytes.length < 1000)
  const opened = openPage(PageKind.manifest, sealed.bytes, key, 1024 * 1024)
  ok('fault' in opened && opened.fault.includes('3145728'))
})
