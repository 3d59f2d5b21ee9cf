/** How long to wait so that bytes come at a rate on average, whoever of several receives them. */
export interface TokenBucket {
  /**
   * Bytes came.
   * @param bytesPerSecond as it is now; it may change at any time
   * @returns milliseconds until the next ones may come
   */
  take(bytes: number, bytesPerSecond: number): number
}

/** What was not used is kept for so long: a burst of one second. */
const KEPT_MS = 1_000

/** @param monotonicMs a clock that only rises */
export function createTokenBucket(monotonicMs: () => number): TokenBucket {
  /** Below zero: bytes that came too early. */
  let tokens = 0
  let filledAt = monotonicMs()
  return {
    take(bytes, bytesPerSecond) {
      const now = monotonicMs()
      const rate = bytesPerSecond / 1000
      tokens = Math.min(rate * KEPT_MS, tokens + (now - filledAt) * rate) - bytes
      filledAt = now
      return tokens >= 0 ? 0 : -tokens / rate
    },
  }
}
