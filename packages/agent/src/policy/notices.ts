/**
 * Keeps one quiet request open at a gateway, and has policy asked for when the gateway says so.
 *
 *   N1. A notice is only a hint: what is done is decided by policy, and without notices polling goes on.
 *   N2. Whoever listens anew may have missed something, so policy is asked for once then.
 *   N3. Nothing is done in step with the other devices: the gateway says over which time they spread,
 *       and after a loss that counts for coming back too.
 *   N4. A stream that did not live is a failure; two devices with one identity do not chase each other.
 */
import type { Problem } from '@sluice/protocol'
import { createBackoff } from '../backoff.ts'
import { createBell } from '../bell.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { Log } from '../log.ts'

export interface Notices {
  start(): void
  stop(): Promise<void>
}

export interface NoticesOptions {
  client: Pick<GatewayClient, 'listen'>
  /** Policy shall be asked for. */
  sync: () => void
  log: Log
  random: () => number
  firstRetryMs?: number
}

/** All devices of a gateway are back within a minute after it is. */
const LONGEST_RETRY_MS = 30_000
/** A gateway that has no such route gets it with its next version. */
const UNKNOWN_RETRY_MS = 3600_000
const SETTLED_MS = 10_000

export function createNotices(options: NoticesOptions): Notices {
  const { client, sync, log, random, firstRetryMs = 1_000 } = options
  const stopped = new AbortController()
  /** Nobody rings this one. */
  const pause = createBell()
  let running: Promise<void> | undefined
  let pending: NodeJS.Timeout | undefined
  let spreadMs = 0

  // N3
  function syncWithin(ms: number): void {
    if (pending !== undefined) return
    pending = setTimeout(() => {
      pending = undefined
      sync()
    }, ms * random())
  }

  /** @returns why it ended, and how long it lived in milliseconds */
  async function listen(signal: AbortSignal): Promise<{ why: Problem; livedMs: number }> {
    let openedAt: number | undefined
    const why = await client.listen({
      onOpen() {
        openedAt = performance.now()
        syncWithin(0) // N2; coming back was spread already
      },
      onNotice(notice) {
        spreadMs = notice.spreadMs
        if (notice.kind === 'sync') syncWithin(notice.spreadMs)
      },
      signal,
    })
    return { why, livedMs: openedAt === undefined ? 0 : performance.now() - openedAt }
  }

  async function run(): Promise<void> {
    const { signal } = stopped
    const backoff = createBackoff({ firstMs: firstRetryMs, maxMs: LONGEST_RETRY_MS, random })
    while (!signal.aborted) {
      const { why, livedMs } = await listen(signal)
      const settled = livedMs >= SETTLED_MS // N4
      if (settled) backoff.reset()
      const soonMs = settled ? Math.max(firstRetryMs, spreadMs) * random() : backoff.next(why) + spreadMs * random()
      const waitMs = why.code === 'NOT_FOUND' ? UNKNOWN_RETRY_MS : Math.round(soonMs)
      log.info('notices of the gateway ended', { problem: why, waitMs })
      await pause.wait(waitMs, signal)
    }
  }

  return {
    start() {
      running ??= run().catch((error: unknown) => {
        if (!stopped.signal.aborted) throw error
      })
    },
    async stop() {
      stopped.abort()
      clearTimeout(pending)
      await running
    },
  }
}
