/**
 * Token buckets, one for each who asks. The table is bounded: when it is full, whoever was heard of
 * longest ago is forgotten, and then begins with a full bucket.
 */

/** Keys of one table. */
const MAX_KEYS = 100_000

export interface Rate {
  perSecond: number
  /** As many at once after a quiet time. */
  burst: number
}

export interface RateLimiter {
  /** Takes one. @returns 0, or in how many milliseconds there is one again */
  take(key: string): number
}

/** @param now milliseconds that only rise */
export function createRateLimiter(
  { perSecond, burst }: Rate,
  { now = () => performance.now(), maxKeys = MAX_KEYS } = {},
): RateLimiter {
  /** In the order in which they were heard of. */
  const buckets = new Map<string, { tokens: number; at: number }>()
  return {
    take(key) {
      const at = now()
      const bucket = buckets.get(key) ?? { tokens: burst, at }
      const tokens = Math.min(burst, bucket.tokens + ((at - bucket.at) * perSecond) / 1000)
      bucket.tokens = tokens >= 1 ? tokens - 1 : tokens
      bucket.at = at
      buckets.delete(key)
      buckets.set(key, bucket)
      if (buckets.size > maxKeys) for (const oldest of buckets.keys()) if (buckets.delete(oldest)) break
      return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * 1000) / perSecond)
    },
  }
}

/** What counts as one address: an IPv6 network of 64 bits belongs to one subscriber. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0')
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`
}
