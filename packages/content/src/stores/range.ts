import type { ByteRange } from './store.ts'

/** Whether a range can be one of some object. */
export const isRange = ({ start, end }: ByteRange): boolean =>
  Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end

/** Size of the whole object from the headers of an answer, ranged or not. */
export function totalBytesOf(contentRange: string | null, contentLength: string | null): number | undefined {
  const said = contentRange === null ? contentLength : /^bytes \d+-\d+\/(\d+)$/.exec(contentRange)?.[1]
  const total = said === null || said === undefined ? Number.NaN : Number(said)
  return Number.isSafeInteger(total) ? total : undefined
}
