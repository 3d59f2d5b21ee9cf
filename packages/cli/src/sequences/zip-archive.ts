/**
 * Reads ZIP archives that hold exports: stored and deflated entries, from memory. What is said in the
 * archive is not trusted: a size that is wrong, a bad checksum or an entry that grows beyond what it
 * declares is refused. Encryption, several volumes and ZIP64 are not supported.
 */
import { promisify } from 'node:util'
import { crc32, inflateRaw } from 'node:zlib'
import { failLocally } from '../local-failure.ts'

const MAX_ENTRIES = 10_000
export const MAX_ENTRY_BYTES = 32 * 1024 * 1024

export interface ZipEntry {
  /** With `/` between folders. */
  name: string
  sizeBytes: number
  /** The content, checked against its checksum. */
  read(): Promise<Buffer>
}

const inflate = promisify(inflateRaw)

/** @param file for messages; @throws LocalFailure when the archive cannot be read */
export function readZip(bytes: Buffer, file: string): ZipEntry[] {
  const refuse = (why: string): never => failLocally(`${file} cannot be read as a ZIP archive: ${why}.`)
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end < 0 || end + 22 > bytes.length) return refuse('it has no directory, so it is none or is cut off')
  const count = bytes.readUInt16LE(end + 10)
  let at = bytes.readUInt32LE(end + 16)
  if (count > MAX_ENTRIES || at === 0xffff_ffff) return refuse(`it has more than ${MAX_ENTRIES} entries, or is a ZIP64`)
  const entries: ZipEntry[] = []
  for (let index = 0; index < count; index++) {
    if (at + 46 > end || bytes.readUInt32LE(at) !== 0x0201_4b50) return refuse('its directory is damaged')
    const [flags, method] = [bytes.readUInt16LE(at + 8), bytes.readUInt16LE(at + 10)]
    const [checksum, packedBytes, sizeBytes] = [16, 20, 24].map((field) => bytes.readUInt32LE(at + field)) as [
      number,
      number,
      number,
    ]
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ]
    const header = bytes.readUInt32LE(at + 42)
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength).replaceAll('\\', '/')
    at += 46 + nameLength + extraLength + commentLength
    if (name.endsWith('/')) continue
    const read = async (): Promise<Buffer> => {
      const no = (why: string): never => failLocally(`${file}: ${name} ${why}.`)
      if ((flags & 1) !== 0) return no('is encrypted')
      if (sizeBytes > MAX_ENTRY_BYTES) return no(`has more than ${MAX_ENTRY_BYTES} bytes`)
      if (header + 30 > bytes.length || bytes.readUInt32LE(header) !== 0x0403_4b50)
        return no('is not where the directory says')
      const start = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28)
      if (start + packedBytes > bytes.length) return no('is cut off')
      const packed = bytes.subarray(start, start + packedBytes)
      if (method !== 0 && method !== 8) return no(`is compressed in a way (${method}) that is not supported`)
      const content =
        method === 0
          ? packed
          : await inflate(packed, { maxOutputLength: Math.max(1, sizeBytes) }).catch(() => undefined)
      if (content === undefined || content.length !== sizeBytes || crc32(content) !== checksum) return no('is damaged')
      return content
    }
    entries.push({ name, sizeBytes, read })
  }
  return entries
}
