/**
 * What a gateway says on the quiet request that each agent keeps open (`notify`): lines of JSON. A
 * notice carries no order and no content, only that it is worth asking for policy now.
 */
import { z } from 'zod'

/** Bounds of the quiet request. Times in milliseconds. */
export const noticeBounds = {
  /** Between two `alive` lines; the gateway judges the certificate anew at each (SEC-58: within 60 s). */
  aliveIntervalMs: 50_000,
  /** An agent gives a stream up that was silent for so long. */
  silenceTimeoutMs: 120_000,
  /** Largest line. */
  lineBytes: 1024,
  /** Longest time over which a gateway spreads its devices. */
  longestSpreadMs: 10 * 60_000,
} as const

export const DeviceNotice = z.object({
  /** `sync`: policy may be other than before. `alive`: nothing, but somebody is there. */
  kind: z.enum(['alive', 'sync']),
  /**
   * The agent picks a moment within so many milliseconds for what all devices of this gateway do at
   * once: asking for policy now, or coming back when the gateway was away.
   */
  spreadMs: z.int().min(0).max(noticeBounds.longestSpreadMs),
})
export type DeviceNotice = z.infer<typeof DeviceNotice>
