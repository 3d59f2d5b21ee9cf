/** Tells the site how far each content is: what changed since it last took a report, five times a second at most. */
import { type ContentReport, linkBounds, linkPaths, type Problem } from '@sluice/protocol'
import type { Link } from '../link/link.ts'
import type { Contents, HeldContent, ObjectKey } from './contents.ts'

const INTERVAL_MS = 200
const TIMEOUT_MS = 10_000

export interface ContentReports {
  /** A new link: the site hears everything again. */
  forget(): void
  stop(): void
}

export function createContentReports(
  link: Link,
  contents: Contents,
  failures: () => ReadonlyMap<ObjectKey, Problem>,
): ContentReports {
  const taken = new Map<string, string>()
  let sending = false

  async function send(): Promise<void> {
    const ids = new Set<string>()
    for (const held of [...contents.all()]) {
      if (!held.content.own) continue
      const id = held.content.contentId
      ids.add(id)
      const report = JSON.stringify(reportOf(held, failures()))
      if (taken.get(id) === report) continue
      if (report.length > linkBounds.reportBytes) continue
      const answer = await link.request('control', {
        method: 'POST',
        path: linkPaths.contentReports,
        body: Buffer.from(report),
        timeoutMs: TIMEOUT_MS,
      })
      if (!answer.ok) return
      answer.value.body.resume()
      if (answer.value.status < 300) taken.set(id, report)
    }
    for (const id of taken.keys()) if (!ids.has(id)) taken.delete(id)
  }

  const timer = setInterval(() => {
    if (sending || !link.isUp()) return
    sending = true
    void send().finally(() => {
      sending = false
    })
  }, INTERVAL_MS)

  return {
    forget: () => taken.clear(),
    stop: () => clearInterval(timer),
  }
}

function reportOf(held: HeldContent, failures: ReadonlyMap<ObjectKey, Problem>): ContentReport {
  const { contentId, revision, verify } = held.content
  const { totalBytes } = held
  const presentBytes = totalBytes - held.missingBytes
  const verified = verify === undefined ? {} : { verified: verify }
  if (held.missing.size === 0) return { contentId, revision, state: 'present', presentBytes, totalBytes, ...verified }
  for (const [key, reason] of failures)
    if (held.missing.has(key))
      return { contentId, revision, state: 'failed', presentBytes, totalBytes, problem: reason, ...verified }
  return { contentId, revision, state: 'pulling', presentBytes, totalBytes, ...verified }
}
