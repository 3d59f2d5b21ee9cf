/**
 * What lies between two versions of a package, from their manifests and layouts, page by page. Nothing of
 * their files is read.
 */
import type { ContentId, PackageDiff, Sha256 } from '@sluice/protocol'
import { ProblemError } from '@sluice/protocol'
import { comparePaths } from './entry-path.ts'
import type { FileEntry } from './file-entry.ts'
import { sha256 } from './hash.ts'
import { type Layout, openLayoutPage, openLayoutRoot } from './layout.ts'
import { openManifestPage, readManifestRoot } from './manifest.ts'
import type { Store } from './store.ts'

const LISTED_EXAMPLES = 100

export interface DiffVersion {
  contentId: ContentId
  /** The manifest root. */
  root: Uint8Array
  layout: { hash: Sha256; sizeBytes: number }
}

type VersionDiff = Omit<PackageDiff, 'from' | 'to'>

interface Whole {
  path: string
  /** The same for two entries that are the same. */
  signature: string
}

/** Expected failures of the store and of damaged pages are thrown as `ProblemError`. */
export async function diffVersions(options: {
  store: Store
  packageKey: Uint8Array
  from: DiffVersion
  to: DiffVersion
  signal?: AbortSignal
}): Promise<VersionDiff> {
  const { store, packageKey, signal } = options

  async function read(hash: Sha256): Promise<Buffer> {
    signal?.throwIfAborted()
    const got = await store.get({ kind: 'page', hash }, undefined, signal)
    if (!got.ok) throw new ProblemError(got.problem)
    return Buffer.concat(await got.value.body.toArray())
  }
  async function open({ contentId, root, layout }: DiffVersion) {
    const manifest = must(readManifestRoot(root, contentId))
    return { manifest, layout: must(openLayoutRoot(await read(layout.hash), packageKey, contentId)) }
  }
  type Opened = Awaited<ReturnType<typeof open>>
  const pageOf = async ({ manifest, layout }: Opened, number: number) =>
    must(openManifestPage(await read(manifestHash(layout, number)), packageKey, manifest, number))

  /** Whole files again, also those that go over several pages. */
  async function* entries(version: Opened, chunks?: Set<string>): AsyncGenerator<Whole> {
    let last: { path: string; signature: string } | undefined
    for (let number = 0; number < version.manifest.pages.length; number++) {
      const page = await pageOf(version, number)
      for (const { id } of page.chunks) chunks?.add(id)
      for (const entry of page.entries) {
        if (last !== undefined && last.path === entry.path)
          last.signature = sha256(Buffer.from(last.signature + signatureOf(entry)))
        else {
          if (last !== undefined) yield last
          last = { path: entry.path, signature: signatureOf(entry) }
        }
      }
    }
    if (last !== undefined) yield last
  }

  const from = await open(options.from)
  const to = await open(options.to)
  const known = new Set<string>()
  const diff: VersionDiff = {
    frameBytes: 0,
    pageBytes: options.to.root.length + options.to.layout.sizeBytes,
    wholeBytes: options.to.root.length + options.to.layout.sizeBytes,
    added: 0,
    changed: 0,
    removed: 0,
    unchanged: 0,
    examples: [],
  }
  const note = (kind: 'added' | 'changed' | 'removed', path: string) => {
    diff[kind]++
    if (diff.examples.length < LISTED_EXAMPLES) diff.examples.push({ kind, path })
  }

  const olds = entries(from, known)
  const news = entries(to)
  let [old, next] = [await olds.next(), await news.next()]
  while (old.done !== true || next.done !== true) {
    signal?.throwIfAborted()
    const order = old.done === true ? 1 : next.done === true ? -1 : comparePaths(old.value.path, next.value.path)
    if (order < 0 && old.done !== true) note('removed', old.value.path)
    else if (order > 0 && next.done !== true) note('added', next.value.path)
    else if (old.done !== true && next.done !== true) {
      if (old.value.signature === next.value.signature) diff.unchanged++
      else note('changed', next.value.path)
    }
    if (order <= 0) old = await olds.next()
    if (order >= 0) next = await news.next()
  }

  const oldPages = new Set(from.layout.root.pages.flatMap(({ manifest, layout }) => [manifest, layout]))
  const seen = { all: new Set<string>(), fetched: new Set<string>() }
  for (const [number, page] of to.layout.root.pages.entries()) {
    for (const [hash, sizeBytes] of [
      [page.manifest, page.manifestBytes],
      [page.layout, page.layoutBytes],
    ] as const) {
      diff.wholeBytes += sizeBytes
      if (!oldPages.has(hash)) diff.pageBytes += sizeBytes
    }
    const manifestPage = await pageOf(to, number)
    const locations = must(openLayoutPage(await read(page.layout), packageKey, to.layout, manifestPage))
    for (const [i, { pack, frameOffset, frameBytes }] of locations.entries()) {
      const frame = `${pack}${frameOffset}`
      if (!seen.all.has(frame)) diff.wholeBytes += frameBytes
      seen.all.add(frame)
      if (seen.fetched.has(frame) || known.has(manifestPage.chunks[i]?.id ?? '')) continue
      seen.fetched.add(frame)
      diff.frameBytes += frameBytes
    }
  }
  return diff
}

const manifestHash = (layout: Layout, number: number): Sha256 => layout.root.pages[number]?.manifest as Sha256

function signatureOf(entry: FileEntry): string {
  if (entry.kind === 'symlink') return `link ${entry.target}`
  if (entry.kind === 'folder') return 'folder'
  const extents = entry.extents.map((extent) => (extent.kind === 'chunk' ? extent.id : `hole ${extent.sizeBytes}`))
  return `${entry.executable} ${entry.sizeBytes} ${extents.join(' ')}`
}

function must<T>(
  result: { ok: true; value: T } | { ok: false; problem: ConstructorParameters<typeof ProblemError>[0] },
): T {
  if (!result.ok) throw new ProblemError(result.problem)
  return result.value
}
