/**
 * Values on their way to the thread of the database and back: all blobs of a message together in one
 * buffer that is moved. One by one each would be an allocation on both sides, and a few hundred ids of
 * chunks take longer to copy and to collect than to look up.
 */

export interface Parcel {
  /** `null` where a blob belongs. */
  values: unknown[]
  /** Of each blob, in order: where it belongs, and its size in bytes. */
  places: number[]
  bytes: ArrayBuffer
}

const EMPTY = new ArrayBuffer(0)

/** Leaves the values as they are. */
export function packed(values: readonly unknown[]): Parcel {
  const places: number[] = []
  let sizeBytes = 0
  for (const [i, value] of values.entries()) {
    if (!(value instanceof Uint8Array)) continue
    places.push(i, value.length)
    sizeBytes += value.length
  }
  if (places.length === 0) return { values: [...values], places, bytes: EMPTY }
  const bytes = new Uint8Array(sizeBytes)
  const rest = [...values]
  let at = 0
  for (let i = 0; i < places.length; i += 2) {
    const place = places[i] as number
    const blob = values[place] as Uint8Array
    bytes.set(blob, at)
    at += blob.length
    rest[place] = null
  }
  return { values: rest, places, bytes: bytes.buffer }
}

/** To be moved, not copied. */
export const movedWith = ({ bytes }: Parcel): ArrayBuffer[] => (bytes.byteLength === 0 ? [] : [bytes])

/** The values; blobs are views of the one buffer. */
export function unpacked({ values, places, bytes }: Parcel): unknown[] {
  let at = 0
  for (let i = 0; i < places.length; i += 2) {
    const sizeBytes = places[i + 1] as number
    values[places[i] as number] = new Uint8Array(bytes, at, sizeBytes)
    at += sizeBytes
  }
  return values
}
