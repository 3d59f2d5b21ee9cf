/** Pages and layout roots: whole objects, checked by their hash, from this device or from a gateway. */
import { sha256 } from '@sluice/content'
import { type ContentId, failed, ok, problem, type Result, type Sha256 } from '@sluice/protocol'
import type { ObjectTarget } from '../gateway-client/gateway-client.ts'
import type { Line } from './budget/line.ts'
import { fetchRange } from './fetch-range.ts'
import type { PageFolder } from './page-folder.ts'
import type { Patience } from './patience.ts'
import type { Tally } from './tally.ts'
import type { UrlBook } from './url-book.ts'

export interface PageSource {
  pages: PageFolder
  urls: UrlBook
  patience: Patience
  tally: Tally
  signal: AbortSignal
  idleMs: number
  /** What may use the line; absent: everything. */
  line?: Line
}

const MOST_CORRUPT = 3

/** `CONTENT_CORRUPT` when it came wrong again and again, `PACK_GONE`, or what patience ended with. */
export async function fetchPage(
  page: { contentId: ContentId; hash: Sha256; sizeBytes: number },
  { pages, urls, patience, tally, signal, idleMs, line }: PageSource,
): Promise<Result<Uint8Array>> {
  const kept = await pages.get(page.hash)
  if (kept !== undefined) return ok(kept)
  const object = { contentId: page.contentId, kind: 'page' as const, hash: page.hash }
  for (let tries = 1; ; tries++) {
    let from: ObjectTarget | undefined
    const fetched = await patience.insist(async (): Promise<Result<Uint8Array>> => {
      const target = await urls.get(object)
      if (!target.ok) return target
      from = target.value
      const brought = urls.page(object)
      if (brought !== undefined) {
        tally.add({ metadataBytes: brought.length })
        // The line was not limited when it was asked for: it only counts.
        void line?.passed(brought.length)
        return ok(brought)
      }
      const parts: Buffer[] = []
      const wrong = await fetchRange({
        target: target.value,
        range: { start: 0, end: page.sizeBytes },
        objectBytes: page.sizeBytes,
        take: (piece) => void parts.push(Buffer.from(piece)),
        onReceived: (bytes) =>
          tally.add({ metadataBytes: bytes, ...(target.value.source === 'cloud' ? { cloudBytes: bytes } : {}) }),
        signal,
        idleMs,
        line,
      })
      if (wrong === undefined) return ok(Buffer.concat(parts))
      return failed(urls.forget(object, wrong, target.value))
    }, signal)
    if (!fetched.ok) return fetched
    if (sha256(fetched.value) === page.hash) {
      patience.progressed()
      urls.worked(object)
      await pages.put(page.hash, fetched.value)
      return fetched
    }
    const wrong = problem('CONTENT_CORRUPT', `Page ${page.hash} came wrong ${tries} times.`)
    if (from !== undefined) urls.forget(object, wrong, from)
    if (tries >= MOST_CORRUPT) return failed(wrong)
  }
}
