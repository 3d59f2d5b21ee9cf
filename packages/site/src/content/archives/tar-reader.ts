/**
 * Reads a tar stream (POSIX pax, ustar, GNU) header by header. Bodies are read or skipped by whoever asks.
 *
 *     POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format"
 *
 * Headers are bounded: an extended one by `MAX_EXTENDED_BYTES`. A damaged one throws.
 */
export interface TarHeader {
  path: string
  /** The letter of the header: `0` a file, `1` a hard link, `2` a symlink, `5` a folder. */
  type: string
  sizeBytes: number
  mode: number
  uid: number
  modifiedMs: number
  linkPath: string
  /** Where the body begins, from the beginning of the stream. */
  offset: number
  /** The file has holes that tar wrote down in a way of its own. */
  sparse: boolean
}

export interface TarReader {
  /** The next header; undefined at the end. What is left of the body before is skipped. */
  next(): Promise<TarHeader | undefined>
  /** The body of the header that came last, in pieces. */
  body(): AsyncGenerator<Uint8Array>
}

const BLOCK = 512
export const MAX_EXTENDED_BYTES = 1024 * 1024
/** Zeros after the end are allowed, but not without end. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function createTarReader(source: AsyncIterable<Uint8Array>): TarReader {
  const pieces = source[Symbol.asyncIterator]()
  let piece: Uint8Array = new Uint8Array(0)
  let position = 0
  /** Of the body that came last: not read yet, with its padding. */
  let left = 0
  let padding = 0

  /** At least one byte and at most `most`; undefined at the end. */
  async function some(most: number): Promise<Uint8Array | undefined> {
    while (piece.length === 0) {
      const { value, done } = await pieces.next()
      if (done === true) return undefined
      piece = value
    }
    const part = piece.subarray(0, most)
    piece = piece.subarray(part.length)
    position += part.length
    return part
  }

  async function exactly(size: number): Promise<Buffer | undefined> {
    const parts: Uint8Array[] = []
    for (let missing = size; missing > 0; ) {
      const part = await some(missing)
      if (part === undefined) {
        if (missing === size) return undefined
        throw new Error('the archive ends in the middle')
      }
      parts.push(part)
      missing -= part.length
    }
    return Buffer.concat(parts)
  }

  async function skip(size: number): Promise<void> {
    for (let missing = size; missing > 0; ) {
      const part = await some(missing)
      if (part === undefined) throw new Error('the archive ends in the middle')
      missing -= part.length
    }
  }

  async function extended(sizeBytes: number): Promise<Buffer> {
    if (sizeBytes > MAX_EXTENDED_BYTES) throw new Error('an extended header of the archive is too long')
    const bytes = (await exactly(sizeBytes)) ?? Buffer.alloc(0)
    if (bytes.length !== sizeBytes) throw new Error('the archive ends in the middle')
    await skip(paddingOf(sizeBytes))
    return bytes
  }

  return {
    async next() {
      await skip(left + padding)
      left = 0
      padding = 0
      let pax: Map<string, string> = new Map()
      let longPath: string | undefined
      let longLink: string | undefined
      for (;;) {
        const block = await exactly(BLOCK)
        // Cut off between two files it would look whole: only the block of zeros that POSIX wants says that it is.
        if (block === undefined) throw new Error('the archive is cut off: it ends without its end mark')
        if (block.every((byte) => byte === 0)) return undefined
        checkSum(block)
        const type = String.fromCharCode(block[156] || 0x30)
        const ownSize = number(block, 124, 12)
        if (type === 'x') pax = new Map([...pax, ...readPax(await extended(ownSize))])
        else if (type === 'g') await extended(ownSize)
        else if (type === 'L') longPath = text(await extended(ownSize))
        else if (type === 'K') longLink = text(await extended(ownSize))
        else {
          const sizeBytes = pax.has('size') ? Number(pax.get('size')) : ownSize
          if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new Error('a size in the archive is none')
          const hasBody = !['1', '2', '3', '4', '5', '6'].includes(type)
          left = hasBody ? sizeBytes : 0
          padding = paddingOf(left)
          const seconds = pax.has('mtime') ? Number(pax.get('mtime')) : number(block, 136, 12)
          return {
            path: pax.get('path') ?? longPath ?? ustarPath(block),
            type,
            sizeBytes: left,
            mode: number(block, 100, 8),
            uid: number(block, 108, 8),
            modifiedMs: Number.isFinite(seconds) ? Math.trunc(seconds * 1000) : 0,
            linkPath: pax.get('linkpath') ?? longLink ?? text(block.subarray(157, 257)),
            offset: position,
            sparse: type === 'S' || [...pax.keys()].some((key) => key.startsWith('GNU.sparse')),
          }
        }
      }
    },
    async *body() {
      while (left > 0) {
        const part = await some(left)
        if (part === undefined) throw new Error('the archive ends in the middle')
        left -= part.length
        yield part
      }
    },
  }
}

const paddingOf = (sizeBytes: number): number => (BLOCK - (sizeBytes % BLOCK)) % BLOCK

function checkSum(block: Buffer): void {
  let sum = 0
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0)
  if (sum !== number(block, 148, 8)) throw new Error('a header of the archive is damaged, or it is no tar archive')
}

/** Octal digits, or as GNU writes what does not fit them: big-endian with the first bit set. */
function number(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0
  if ((first & 0x80) === 0) {
    const digits = block
      .toString('latin1', at, at + length)
      .replace(/\0.*$/s, '')
      .trim()
    return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
  }
  // Negative ones are times before 1970.
  let value = (first & 0x40) !== 0 ? first - 0x100 : first & 0x3f
  for (let i = 1; i < length; i++) value = value * 256 + (block[at + i] ?? 0)
  return value
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return decode(end < 0 ? bytes : bytes.subarray(0, end))
}

/** What is no UTF-8 is given with characters that no target allows, so that it is refused by its name. */
function decode(bytes: Buffer): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return `${bytes.toString('latin1')}\ud800`
  }
}

function ustarPath(block: Buffer): string {
  const name = text(block.subarray(0, 100))
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block.subarray(345, 500)) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

function readPax(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const length = space < 0 ? 0 : Number(bytes.toString('latin1', at, space))
    const equals = bytes.indexOf(0x3d, space)
    if (!Number.isSafeInteger(length) || length < 5 || at + length > bytes.length || equals < 0 || equals > at + length)
      throw new Error('an extended header of the archive is damaged')
    records.set(bytes.toString('latin1', space + 1, equals), decode(bytes.subarray(equals + 1, at + length - 1)))
    at += length
  }
  return records
}
