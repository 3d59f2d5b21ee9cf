/** Who sees what of the bucket: a reader of it sizes, a device what it was given the key of. */
import { equal, ok } from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { PackageId } from '@sluice/protocol'
import { importVersion } from '../import/import-version.ts'
import { openManifestPage, readManifestRoot } from '../manifest/manifest.ts'
import { openLayoutPage, openLayoutRoot } from '../page/layout.ts'
import { openFolderStore } from '../stores/folder-store.ts'
import { createMemoryIndex } from '../testing/memory-index.ts'
import { seededBytes } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { openFrame } from './frame.ts'

/** Two packages: `theirs` repeats what `ours` has, so both use one pack, and has something of its own beside it. */
async function twoPackages(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sluice-sealing-'))
  t.after(() => rm(root, { recursive: true }))
  const store = await openFolderStore(join(root, 'store'))
  const index = createMemoryIndex()
  await mkdir(join(root, 'staging'))
  const bring = async (name: string, files: Record<string, Buffer>) => {
    await mkdir(join(root, name))
    for (const [file, bytes] of Object.entries(files)) await writeFile(join(root, name, file), bytes)
    const packageKey = seededBytes(`key of ${name}`, 32)
    const imported = value(
      await importVersion({
        folder: join(root, name),
        packageId: (name === 'ours' ? 'ABC00001' : 'ABC00002') as PackageId,
        version: 1,
        target: 'any',
        packageKey,
        index,
        store,
        stagingFolder: join(root, 'staging'),
        randomBytes: (size) => seededBytes(`salt of ${name}`, size),
        handCount: 1,
      }),
    )
    return { ...imported, packageKey }
  }
  const shared = seededBytes('shared', 700_000)
  const secret = Buffer.from('the words of a contract that is not signed yet. '.repeat(20_000))
  const theirs = await bring('theirs', { 'shared driver': shared, 'secret plan': secret })
  const ours = await bring('ours', { 'shared driver': shared })
  const read = async (hash: string, kind: 'packs' | 'pages') =>
    readFile(join(root, 'store', kind, hash.slice(0, 2), hash))
  return { root, ours, theirs, secret, read }
}

test('a reader of the bucket finds no name, no content and no hash of content', async (t) => {
  const { root, theirs, secret, read } = await twoPackages(t)
  const { contentId } = theirs
  const all: Buffer[] = []
  for (const { kind, hash } of theirs.objects) all.push(await read(hash, kind === 'pack' ? 'packs' : 'pages'))
  const bucket = Buffer.concat(all)
  const ids = value(readManifestRoot(theirs.root, contentId)).pages.map(({ hash }) => hash)
  for (const words of ['shared driver', 'secret plan', 'contract', 'ABC00002', contentId, ...ids]) {
    ok(!bucket.includes(words), words)
    if (/^[0-9a-f]{64}$/.test(words)) ok(!bucket.includes(Buffer.from(words, 'hex')), words)
  }
  ok(!bucket.includes(secret.subarray(0, 16)))
  // Names are hashes of what is sealed, in folders by kind: nothing else is in the bucket.
  const files = await readdir(join(root, 'store'), { recursive: true })
  for (const file of files) ok(/^(packs|pages|partial)(\/[0-9a-f]{2}(\/[0-9a-f]{64})?)?$/.test(file), file)
})

test('a device with one package opens nothing of another, though both lie in one pack', async (t) => {
  const { ours, theirs, read } = await twoPackages(t)
  const packsOf = (one: typeof ours) => one.objects.filter(({ kind }) => kind === 'pack').map(({ hash }) => hash)
  equal(packsOf(ours).length, 1)
  ok(packsOf(theirs).includes(packsOf(ours)[0] as never), 'they share a pack')
  // What it holds: its key, hence its own pages, the salt of the pack, and the hashes of its own frames.
  const layout = value(openLayoutRoot(await read(ours.layout.hash, 'pages'), ours.packageKey, ours.contentId))
  const open = async (one: typeof ours, key: Uint8Array) => {
    const manifest = value(readManifestRoot(one.root, one.contentId))
    const root = openLayoutRoot(await read(one.layout.hash, 'pages'), key, one.contentId)
    if (!root.ok) return root.problem.code
    const [page] = root.value.root.pages
    const entries = value(openManifestPage(await read(page?.manifest ?? '', 'pages'), key, manifest, 0))
    return value(openLayoutPage(await read(page?.layout ?? '', 'pages'), key, root.value, entries))
  }
  equal(await open(theirs, ours.packageKey), 'MANIFEST_REFUSED')
  const [mine, others] = [await open(ours, ours.packageKey), await open(theirs, theirs.packageKey)]
  ok(typeof mine !== 'string' && typeof others !== 'string')
  const pack = packsOf(ours)[0] as string
  const bytes = await read(pack, 'packs')
  const salt = layout.packs.get(pack as never)?.salt as Uint8Array
  const frames = new Map(others.filter((at) => at.pack === pack).map((at) => [at.frameOffset, at]))
  const own = new Set(mine.map(({ frameOffset }) => frameOffset))
  let closed = 0
  for (const { frameOffset, frameBytes, frameHash } of frames.values()) {
    const sealed = bytes.subarray(frameOffset, frameOffset + frameBytes)
    if (own.has(frameOffset)) {
      ok(openFrame(sealed, { hash: frameHash, salt }, []).ok)
      continue
    }
    // It has the salt and the bytes; it lacks the hash, and no hash that it knows will do.
    for (const { frameHash: known } of mine) ok(!openFrame(sealed, { hash: known, salt }, []).ok)
    closed++
  }
  ok(closed > 0, 'there are frames of the other package in the shared pack')
})
