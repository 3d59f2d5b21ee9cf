/**
 * What lies between two versions of a package, from their manifests and layouts, page by page. Nothing of
 * their files is read.
 */
import type { PackageDiff } from '@sluice/protocol'
import { sha256 } from '../pack/hash.ts'
import type { Store } from '../stores/store.ts'
import { comparePaths } from './entry-path.ts'
import type { FileEntry } from './file-entry.ts'
import { openVersion, type StoredVersion, type VersionReader } from './version-reader.ts'

const LISTED_EXAMPLES = 100

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
  from: StoredVersion
  to: StoredVersion
  signal?: AbortSignal
}): Promise<VersionDiff> {
  const { signal } = options

  const open = (version: StoredVersion) => openVersion(options, version)

  /** Whole files again, also those that go over several pages. */
  async function* entries(version: VersionReader, chunks?: Set<string>): AsyncGenerator<Whole> {
    let last: { path: string; signature: string } | undefined
    for (let number = 0; number < version.manifest.pages.length; number++) {
      const page = await version.page(number)
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
    const manifestPage = await to.page(number)
    const locations = await to.locations(number, manifestPage)
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

function signatureOf(entry: FileEntry): string {
  if (entry.kind === 'symlink') return `link ${entry.target}`
  if (entry.kind === 'folder') return 'folder'
  const extents = entry.extents.map((extent) => (extent.kind === 'chunk' ? extent.id : `hole ${extent.sizeBytes}`))
  return `${entry.executable} ${entry.sizeBytes} ${extents.join(' ')}`
}
