/** The `Range` header of a request for one object (security-reliability §1.3, the single-range table). */
import type { ByteRange } from '@sluice/content'

export type RangeRequest = { kind: 'whole' } | { kind: 'part'; range: ByteRange } | { kind: 'refused' }

/** One range in bytes at most; several are refused, other units and an empty set mean the whole object. */
export function readRange(header: string | undefined, sizeBytes: number): RangeRequest {
  if (header === undefined || !header.startsWith('bytes=') || header === 'bytes=') return { kind: 'whole' }
  const match = /^bytes=(\d*)-(\d*)$/.exec(header)
  if (match === null) return { kind: 'refused' }
  const [, first = '', last = ''] = match
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes)
    // An empty suffix, or none at all.
    if (last === '' || length === 0 || !Number.isSafeInteger(Number(last))) return { kind: 'refused' }
    return { kind: 'part', range: { start: sizeBytes - length, end: sizeBytes } }
  }
  const start = Number(first)
  const end = last === '' ? sizeBytes : Number(last) + 1
  if (!Number.isSafeInteger(end) || start >= sizeBytes || end <= start) return { kind: 'refused' }
  return { kind: 'part', range: { start, end: Math.min(end, sizeBytes) } }
}
