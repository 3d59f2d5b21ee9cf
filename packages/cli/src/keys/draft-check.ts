/**
 * Holds what a site wants to have released against the operator's own files. Only what was computed
 * from those is ever signed: the site's bytes are looked at to say where they differ.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { manifestOfFolder } from '@sluice/content'
import { parseSequence, writeSequence } from '@sluice/engine'
import { ManifestRoot, PackageId, ProblemError, type ReleaseEntry } from '@sluice/protocol'
import { createTwoFilesPatch } from 'diff'
import { failLocally } from '../local-failure.ts'
import { readBounded } from '../sequences/sequence-source.ts'
import type { CatalogueSite } from './catalogue-site.ts'
import type { KeysFolder } from './keys-folder.ts'
import type { Listed } from './signed-metadata.ts'
import { seriesOf } from './signing.ts'

export interface CheckedDraft {
  name: string
  title: string
  target: Listed
  /** What people read, kept for the next diff. */
  listing: string
  /** Against what was released last; empty when nothing was. */
  diff: string
}

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** @param path the operator's own file (a sequence) or folder (a package). Fails locally when it is not what waits. */
export async function checkDraft(
  site: CatalogueSite,
  folder: KeysFolder,
  draft: ReleaseEntry,
  path: string,
  signal: AbortSignal,
): Promise<CheckedDraft> {
  const theirs = Buffer.from((await site.call('releaseBytes', { id: draft.sha256 })).base64, 'base64')
  const own = draft.name.startsWith('sequence/')
    ? await ownSequence(path, theirs)
    : await ownManifest(draft.name, path, theirs, signal)
  const series = seriesOf(draft.name)
  const before = await folder.listing(series)
  const diff =
    before === own.listing ? '' : createTwoFilesPatch(`${series} (released)`, draft.name, before, own.listing, '', '')
  return {
    name: draft.name,
    title: draft.title,
    target: { sha256: hashOf(own.bytes), lengthBytes: own.bytes.length },
    listing: own.listing,
    diff,
  }
}

interface Own {
  bytes: Uint8Array
  listing: string
}

const pretty = (bytes: Uint8Array): string =>
  `${JSON.stringify(JSON.parse(Buffer.from(bytes).toString()), undefined, 2)}\n`

async function ownSequence(path: string, theirs: Buffer): Promise<Own> {
  const parsed = parseSequence({ file: path, text: await readBounded(path) })
  if (!parsed.ok) throw new ProblemError(parsed.problem)
  const bytes = writeSequence(parsed.value.sequence)
  const listing = pretty(bytes)
  if (!theirs.equals(bytes))
    failLocally(
      `What the site wants released is not ${path}:\n${createTwoFilesPatch(path, 'site', listing, readable(theirs), '', '')}`,
    )
  return { bytes, listing }
}

/** Bytes of a site that may be anything. */
function readable(bytes: Buffer): string {
  try {
    return pretty(bytes)
  } catch {
    return '(no document)\n'
  }
}

async function ownManifest(name: string, path: string, theirs: Buffer, signal: AbortSignal): Promise<Own> {
  const [, id = '', version = ''] = name.split('/')
  const packageId = PackageId.safeParse(id)
  const said = ManifestRoot.safeParse(parsedOrNothing(theirs))
  if (!packageId.success || !said.success) return failLocally(`${name}: the site has no manifest there.`)
  const options = { folder: resolve(path), packageId: packageId.data, version: Number(version), signal }
  const made = await manifestOfFolder({ ...options, target: said.data.target })
  if (!made.ok) throw new ProblemError(made.problem)
  const { root, listing, pagePaths } = made.value
  if (!theirs.equals(root)) {
    const here = ManifestRoot.parse(JSON.parse(root.toString()))
    const hashes = new Set(said.data.pages.map(({ hash }) => hash))
    const near = here.pages.flatMap(({ hash }, i) => (hashes.has(hash) ? [] : (pagePaths[i] ?? []))).slice(0, 10)
    failLocally(
      [
        `What the site wants released as ${name} is not ${path}:`,
        `  here ${here.fileCount} entries with ${here.totalBytes} bytes, at the site ${said.data.fileCount} with ${said.data.totalBytes}`,
        ...near.map((one) => `  differs at or near ${one}`),
        'Times of files count too: copy folders with them (`cp -a`, `rsync -a`).',
      ].join('\n'),
    )
  }
  return { bytes: root, listing: `${listing.join('\n')}\n` }
}

function parsedOrNothing(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}
