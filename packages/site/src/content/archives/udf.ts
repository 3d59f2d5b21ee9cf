/**
 * UDF (OSTA UDF 2.60 on ECMA-167), as discs of Windows and mkudffs have it: one partition of type 1, no
 * virtual, sparable or metadata partition. Read-only and bounded.
 */
import type { ArchiveEntry } from './archive-tree.ts'
import { bytesOf, type Image, type Run } from './image.ts'

const BLOCK_SIZES = [2048, 512, 4096, 1024]
const ANCHOR_BLOCK = 256
const MOST_DESCRIPTORS = 64
const MOST_DEPTH = 100
const MOST_ALLOCATIONS = 100_000
const MAX_FOLDER_BYTES = 32 * 1024 * 1024

/** ECMA-167 3/7.2.1, 4/7.2.1: what a block is. */
const Tag = {
  anchor: 2,
  partition: 5,
  logicalVolume: 6,
  terminating: 8,
  fileSet: 256,
  fileIdentifier: 257,
  allocationExtent: 258,
  fileEntry: 261,
  extendedFileEntry: 266,
} as const
const Kind = { folder: 4, file: 5, realTimeFile: 249, symlink: 12 } as const
const DELETED = 4
const PARENT = 8

interface Volume {
  image: Image
  blockBytes: number
  /** First byte of the partition. */
  partition: number
}
interface Node {
  kind: number
  sizeBytes: number
  modifiedMs: number
  executable: boolean
  setuid: boolean
  runs: Run[]
}

/** The tree of an image; undefined when it has none in this format. */
export async function openUdf(image: Image): Promise<{ entries(): AsyncGenerator<ArchiveEntry> } | undefined> {
  for (const blockBytes of BLOCK_SIZES) {
    const from = ANCHOR_BLOCK * blockBytes
    if (from + 512 > image.sizeBytes) continue
    const anchor = await image.read(from, 512)
    if (!isTagged(anchor, Tag.anchor, ANCHOR_BLOCK)) continue
    const { volume, fileSet } = await readVolume(image, blockBytes, anchor)
    const set = await block(volume, fileSet)
    if (tagOf(set) !== Tag.fileSet) throw new Error('the image names no set of files')
    const root = set.readUInt32LE(400 + 4)
    return { entries: () => walk(volume, root, '', 0, new Set()) }
  }
  return undefined
}

const tagOf = (bytes: Buffer): number => bytes.readUInt16LE(0)

/** The sum over the first 16 bytes is right, and the block says that it is this one. */
function isTagged(bytes: Buffer, tag: number, location: number): boolean {
  let sum = 0
  for (let i = 0; i < 16; i++) if (i !== 4) sum += bytes[i] ?? 0
  return tagOf(bytes) === tag && (sum & 0xff) === bytes[4] && bytes.readUInt32LE(12) === location
}

async function readVolume(
  image: Image,
  blockBytes: number,
  anchor: Buffer,
): Promise<{ volume: Volume; fileSet: number }> {
  const sizeBytes = anchor.readUInt32LE(16)
  const first = anchor.readUInt32LE(20)
  let partition: number | undefined
  let fileSet: number | undefined
  for (let i = 0; i < Math.min(MOST_DESCRIPTORS, Math.floor(sizeBytes / blockBytes)); i++) {
    const descriptor = await image.read((first + i) * blockBytes, Math.max(512, blockBytes))
    const tag = tagOf(descriptor)
    if (tag === Tag.terminating) break
    if (tag === Tag.partition) partition = descriptor.readUInt32LE(188) * blockBytes
    if (tag === Tag.logicalVolume) {
      if (descriptor.readUInt32LE(212) !== blockBytes) throw new Error('the image has blocks of two sizes')
      // One map of type 1, whose length is 6.
      if (descriptor.readUInt32LE(268) !== 1 || descriptor[440] !== 1)
        throw new Error('the image has partitions of a kind that is not read (virtual, sparable or metadata)')
      fileSet = descriptor.readUInt32LE(248 + 4)
    }
  }
  if (partition === undefined || fileSet === undefined) throw new Error('the image describes no volume')
  return { volume: { image, blockBytes, partition }, fileSet }
}

const block = ({ image, blockBytes, partition }: Volume, number: number): Promise<Buffer> =>
  image.read(partition + number * blockBytes, blockBytes)

async function* walk(
  volume: Volume,
  icb: number,
  prefix: string,
  depth: number,
  above: Set<number>,
): AsyncGenerator<ArchiveEntry> {
  if (depth > MOST_DEPTH || above.has(icb)) throw new Error(`the folder ${prefix} lies in itself, or too deep`)
  above.add(icb)
  const folder = await readNode(volume, icb)
  if (folder.kind !== Kind.folder || folder.sizeBytes > MAX_FOLDER_BYTES)
    throw new Error('a folder of the image is damaged')
  const bytes = await contentOf(volume, folder)
  for (let at = 0; at + 38 <= bytes.length; ) {
    if (bytes.readUInt16LE(at) !== Tag.fileIdentifier) throw new Error('a folder of the image is damaged')
    const characteristics = bytes[at + 18] ?? 0
    const nameBytes = bytes[at + 19] ?? 0
    const child = bytes.readUInt32LE(at + 24)
    const begin = at + 38 + bytes.readUInt16LE(at + 36)
    const name = bytes.subarray(begin, begin + nameBytes)
    at += Math.ceil((begin + nameBytes - at) / 4) * 4
    if ((characteristics & (DELETED | PARENT)) !== 0) continue
    const path = prefix + readName(name)
    const node = await readNode(volume, child)
    const { modifiedMs, sizeBytes, executable } = node
    if (node.kind === Kind.folder) {
      yield { path, modifiedMs, what: { kind: 'folder' } }
      yield* walk(volume, child, `${path}/`, depth + 1, above)
    } else if (node.kind === Kind.symlink) {
      if (sizeBytes > 65_536) throw new Error('a symlink of the image is damaged')
      yield { path, modifiedMs, what: { kind: 'symlink', target: readLink(await contentOf(volume, node)) } }
    } else if (node.kind === Kind.file || node.kind === Kind.realTimeFile) {
      const losses = node.setuid ? ['setuid or setgid bit'] : []
      const bytes = bytesOf(volume.image, node.runs)
      yield { path, modifiedMs, losses, what: { kind: 'file', sizeBytes, executable, bytes } }
    } else yield { path, modifiedMs, what: { kind: 'refused', reason: 'a device file, socket or named pipe' } }
  }
  above.delete(icb)
}

/** ECMA-167 4/14.9 and 4/14.17. */
async function readNode(volume: Volume, number: number): Promise<Node> {
  const entry = await block(volume, number)
  const tag = tagOf(entry)
  if (tag !== Tag.fileEntry && tag !== Tag.extendedFileEntry) throw new Error('an entry of the image is damaged')
  const extended = tag === Tag.extendedFileEntry
  const flags = entry.readUInt16LE(34)
  const attributes = entry.readUInt32LE(extended ? 208 : 168)
  const allocations = entry.readUInt32LE(extended ? 212 : 172)
  const begin = (extended ? 216 : 176) + attributes
  if (begin + allocations > entry.length) throw new Error('an entry of the image is damaged')
  const sizeBytes = Number(entry.readBigUInt64LE(56))
  if (!Number.isSafeInteger(sizeBytes)) throw new Error('a size in the image is impossible')
  const permissions = entry.readUInt32LE(44)
  const place = volume.partition + number * volume.blockBytes + begin
  const runs = await readRuns(volume, entry.subarray(begin, begin + allocations), flags & 7, sizeBytes, place)
  return {
    kind: entry[27] ?? 0,
    sizeBytes,
    modifiedMs: timestamp(entry.subarray(extended ? 92 : 84)),
    executable: (permissions & 0b000010000100001) !== 0,
    setuid: (flags & 0b11000000) !== 0,
    runs,
  }
}

/** Where the bytes are: by short or long descriptors, or in the entry itself. */
async function readRuns(volume: Volume, first: Buffer, type: number, sizeBytes: number, place: number): Promise<Run[]> {
  if (type === 3) return [{ from: place, sizeBytes: Math.min(sizeBytes, first.length) }]
  if (type !== 0 && type !== 1) throw new Error('a file of the image is described in a way that is not read')
  const width = type === 0 ? 8 : 16
  const runs: Run[] = []
  let left = sizeBytes
  let descriptors = first
  for (let at = 0, seen = 0; left > 0 && at + width <= descriptors.length; at += width) {
    if (++seen > MOST_ALLOCATIONS) throw new Error('a file of the image is described without end')
    const length = descriptors.readUInt32LE(at)
    const position = descriptors.readUInt32LE(at + 4)
    const kind = length >>> 30
    const bytes = Math.min(left, length & 0x3fffffff)
    if (bytes === 0) break
    if (kind === 3) {
      const next = await block(volume, position)
      if (tagOf(next) !== Tag.allocationExtent) throw new Error('a file of the image is damaged')
      descriptors = next.subarray(24, 24 + next.readUInt32LE(20))
      at = -width
      continue
    }
    runs.push({ from: kind === 0 ? volume.partition + position * volume.blockBytes : undefined, sizeBytes: bytes })
    left -= bytes
  }
  // What nobody described is zeros.
  if (left > 0) runs.push({ from: undefined, sizeBytes: left })
  return runs
}

async function contentOf({ image }: Volume, { runs }: Node): Promise<Buffer> {
  const parts: Buffer[] = []
  for (const { from, sizeBytes } of runs)
    parts.push(from === undefined ? Buffer.alloc(sizeBytes) : await image.read(from, sizeBytes))
  return Buffer.concat(parts)
}

/** OSTA CS0: 8 or 16 bits a character. */
function readName(bytes: Buffer): string {
  if (bytes[0] === 8) return bytes.toString('latin1', 1)
  if (bytes[0] !== 16 || bytes.length % 2 === 0) throw new Error('a name in the image is damaged')
  return Buffer.from(bytes.subarray(1)).swap16().toString('utf16le')
}

/** ECMA-167 4/14.16: the components of a path. */
function readLink(bytes: Buffer): string {
  const parts: string[] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const type = bytes[at] ?? 0
    const length = bytes[at + 1] ?? 0
    if (type === 2) parts.push('')
    else if (type === 3) parts.push('..')
    else if (type === 4) parts.push('.')
    else parts.push(readName(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return parts.length === 1 && parts[0] === '' ? '/' : parts.join('/')
}

/** ECMA-167 1/7.3; minutes east of Greenwich in twelve bits, unless it says that it does not know. */
function timestamp(bytes: Buffer): number {
  const zone = bytes.readUInt16LE(0) & 0xfff
  const minutes = zone === 0x801 ? 0 : zone >= 0x800 ? zone - 0x1000 : zone
  const [month = 1, day = 1, hour = 0, minute = 0, second = 0, centi = 0] = bytes.subarray(4, 10)
  return Date.UTC(bytes.readInt16LE(2), month - 1, day, hour, minute, second, centi * 10) - minutes * 60_000
}
