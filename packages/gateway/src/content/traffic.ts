/** Bytes of objects that were handed to the operating system for sending, since the gateway started. */
import { linkPaths, type ObjectKind, type TrafficReport } from '@sluice/protocol'
import type { Link } from '../link/link.ts'

const INTERVAL_MS = 1_000
const TIMEOUT_MS = 5_000

export interface Traffic {
  /** A request for an object was answered with bytes. */
  countRequest(): void
  /** Bytes were really written. */
  countBytes(kind: ObjectKind, bytes: number): void
  current(): TrafficReport
  /** Tells the site what it does not know yet. */
  report(): Promise<void>
  stop(): void
}

export function createTraffic(link: Link, now: () => number): Traffic {
  const startedAt = new Date(now()).toISOString()
  const bytes: Record<ObjectKind, number> = { pack: 0, page: 0 }
  let requests = 0
  let taken = ''
  let sending: Promise<void> = Promise.resolve()
  let waiting = 0

  const current = (): TrafficReport => ({ startedAt, packBytes: bytes.pack, pageBytes: bytes.page, requests })

  async function send(): Promise<void> {
    const body = JSON.stringify(current())
    if (body === taken || !link.isUp()) return
    const answer = await link.request('control', {
      method: 'POST',
      path: linkPaths.trafficReports,
      body: Buffer.from(body),
      timeoutMs: TIMEOUT_MS,
    })
    if (!answer.ok) return
    answer.value.body.resume()
    if (answer.value.status < 300) taken = body
  }

  /** One after the other: the last thing the site hears is the last count. */
  function report(): Promise<void> {
    waiting++
    sending = sending.then(send).finally(() => {
      waiting--
    })
    return sending
  }

  const timer = setInterval(() => {
    if (waiting === 0) void report()
  }, INTERVAL_MS)
  return {
    countRequest() {
      requests++
    },
    countBytes(kind, count) {
      bytes[kind] += count
    },
    current,
    report,
    stop: () => clearInterval(timer),
  }
}
