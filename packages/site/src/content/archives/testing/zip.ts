/** A zip archive from names and bytes, which may claim what is not true. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipFile {
  name: string
  plain: Buffer
  /** `plain` compressed, when that is known already. */
  packed?: Buffer
  flags?: number
  /** Written instead of the true plain size. */
  claimedBytes?: number
  /** No bytes of its own: those of the first file. */
  sharedBody?: boolean
}

export function writeZip(files: readonly ZipFile[]): Buffer {
  const bodies: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, plain, packed = deflateRawSync(plain), flags = 0, claimedBytes, sharedBody } of files) {
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(flags, 2)
    fields.writeUInt16LE(8, 4)
    fields.writeUInt32LE(crc32(plain), 10)
    fields.writeUInt32LE(packed.length, 14)
    fields.writeUInt32LE(claimedBytes ?? plain.length, 18)
    fields.writeUInt16LE(Buffer.byteLength(name), 22)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(sharedBody === true ? 0 : offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, place, Buffer.from(name)]))
    if (sharedBody === true) continue
    bodies.push(Buffer.from('PK\x03\x04', 'latin1'), fields, Buffer.from(name), packed)
    offset += 30 + Buffer.byteLength(name) + packed.length
  }
  const all = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(files.length, 4)
  end.writeUInt16LE(files.length, 6)
  end.writeUInt32LE(all.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...bodies, all, Buffer.from('PK\x05\x06', 'latin1'), end])
}
