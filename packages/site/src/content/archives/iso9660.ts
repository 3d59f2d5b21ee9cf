/**
 * ISO 9660 (ECMA-119) with the names of Rock Ridge (IEEE P1282, in the System Use fields of P1281) or of
 * Joliet. Read-only, and bounded everywhere: depth, entries, continuation areas.
 */
import type { ArchiveEntry } from './archive-tree.ts'
import { bytesOf, type Image, type Run } from './image.ts'

const SECTOR = 2048
const MOST_DESCRIPTORS = 64
const MOST_DEPTH = 100
const MOST_CONTINUATIONS = 32
const MULTI_EXTENT = 0x80
const FOLDER = 0x02
const ASSOCIATED = 0x04

export interface IsoTree {
  /** Whose names these are. */
  names: 'rockRidge' | 'joliet' | 'iso9660'
  entries(): AsyncGenerator<ArchiveEntry>
}

interface Extent {
  from: number
  sizeBytes: number
}
interface Volume {
  blockBytes: number
  root: Extent
  joliet: boolean
}
interface DirectoryRecord {
  extent: Extent
  modifiedMs: number
  flags: number
  identifier: Buffer
  systemUse: Buffer
}
interface RockRidge {
  name: string | undefined
  mode: number | undefined
  uid: number | undefined
  link: string | undefined
  /** A folder that was moved up because it lay too deep: where it is. */
  child: number | undefined
  moved: boolean
}

/** The tree of an image, with the best names it has; undefined when it has none in this format. */
export async function openIso9660(image: Image): Promise<IsoTree | undefined> {
  const volumes: Volume[] = []
  for (let sector = 16; sector < 16 + MOST_DESCRIPTORS; sector++) {
    if ((sector + 1) * SECTOR > image.sizeBytes) break
    const descriptor = await image.read(sector * SECTOR, SECTOR)
    if (descriptor.toString('latin1', 1, 6) !== 'CD001') break
    const type = descriptor[0]
    if (type === 255) break
    if (type === 1 || type === 2) volumes.push(readVolume(descriptor, type === 2))
  }
  const primary = volumes.find(({ joliet }) => !joliet)
  if (primary === undefined) return undefined
  const skip = await systemUseSkip(image, primary)
  const joliet = volumes.find((volume) => volume.joliet)
  if (skip !== undefined) return { names: 'rockRidge', entries: () => walk(image, primary, skip) }
  if (joliet !== undefined) return { names: 'joliet', entries: () => walk(image, joliet, undefined) }
  return { names: 'iso9660', entries: () => walk(image, primary, undefined) }
}

function readVolume(descriptor: Buffer, supplementary: boolean): Volume {
  const escapeSequence = descriptor.toString('latin1', 88, 91)
  const blockBytes = descriptor.readUInt16LE(128)
  if (![512, 1024, 2048].includes(blockBytes)) throw new Error('the image has blocks of an impossible size')
  const root = readRecord(descriptor.subarray(156, 190), blockBytes)
  return { blockBytes, root: root.extent, joliet: supplementary && /^%\/[@CE]/.test(escapeSequence) }
}

function readRecord(record: Buffer, blockBytes: number): DirectoryRecord {
  const nameBytes = record[32] ?? 0
  const skipped = 33 + nameBytes + ((nameBytes + 1) % 2)
  if (record.length < 33 + nameBytes) throw new Error('a folder of the image is damaged')
  return {
    // Bytes of an extended attribute record come before those of the file.
    extent: { from: (record.readUInt32LE(2) + (record[1] ?? 0)) * blockBytes, sizeBytes: record.readUInt32LE(10) },
    modifiedMs: recordingTime(record.subarray(18, 25)),
    flags: record[25] ?? 0,
    identifier: record.subarray(33, 33 + nameBytes),
    systemUse: record.subarray(Math.min(skipped, record.length)),
  }
}

/** ECMA-119 9.1.5: years since 1900, the last byte quarters of an hour east of Greenwich. */
function recordingTime(bytes: Buffer): number {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = bytes
  return Date.UTC(1900 + year, month - 1, day, hour, minute, second) - bytes.readInt8(6) * 15 * 60_000
}

/** How many bytes of each System Use field are another's, when the image has Rock Ridge names. */
async function systemUseSkip(image: Image, { root, blockBytes }: Volume): Promise<number | undefined> {
  const first = await image.read(root.from, Math.min(SECTOR, root.sizeBytes))
  const dot = readRecord(first.subarray(0, first[0] ?? 0), blockBytes)
  const use = dot.systemUse
  if (use.length < 7 || use.toString('latin1', 0, 2) !== 'SP' || use[4] !== 0xbe || use[5] !== 0xef) return undefined
  const skip = use[6] ?? 0
  const fields = await readRockRidge(image, use, 0, blockBytes)
  return fields.mode === undefined ? undefined : skip
}

async function* records(image: Image, folder: Extent, blockBytes: number): AsyncGenerator<DirectoryRecord> {
  const bytes = await image.read(folder.from, folder.sizeBytes)
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at] ?? 0
    // A record never crosses a sector: the rest of one is zeros.
    if (length === 0) {
      at = (Math.floor(at / SECTOR) + 1) * SECTOR
      continue
    }
    if (length < 34 || at + length > bytes.length) throw new Error('a folder of the image is damaged')
    yield readRecord(bytes.subarray(at, at + length), blockBytes)
    at += length
  }
}

async function* walk(image: Image, volume: Volume, skip: number | undefined): AsyncGenerator<ArchiveEntry> {
  yield* walkFolder(image, volume, skip, volume.root, '', 0, new Set())
}

async function* walkFolder(
  image: Image,
  volume: Volume,
  skip: number | undefined,
  folder: Extent,
  prefix: string,
  depth: number,
  above: Set<number>,
): AsyncGenerator<ArchiveEntry> {
  if (depth > MOST_DEPTH || above.has(folder.from)) throw new Error(`the folder ${prefix} lies in itself, or too deep`)
  above.add(folder.from)
  const { blockBytes, joliet } = volume
  let begun: Run[] = []
  for await (const record of records(image, folder, blockBytes)) {
    const { identifier, extent, modifiedMs, flags } = record
    // Itself and the folder above; what belongs to another system.
    if ((identifier.length === 1 && (identifier[0] ?? 2) < 2) || (flags & ASSOCIATED) !== 0) continue
    const rock = skip === undefined ? undefined : await readRockRidge(image, record.systemUse, skip, blockBytes)
    if (rock?.moved === true) continue
    const path = prefix + (rock?.name ?? readName(identifier, joliet))
    if (rock?.child !== undefined || (flags & FOLDER) !== 0) {
      const inside = rock?.child === undefined ? extent : await childFolder(image, rock.child, blockBytes)
      yield { path, modifiedMs, what: { kind: 'folder' } }
      yield* walkFolder(image, volume, skip, inside, `${path}/`, depth + 1, above)
      continue
    }
    begun.push(extent)
    if ((flags & MULTI_EXTENT) !== 0) continue
    const runs = begun
    begun = []
    if (rock?.link !== undefined) {
      yield { path, modifiedMs, what: { kind: 'symlink', target: rock.link } }
      continue
    }
    const kind = (rock?.mode ?? 0o100000) & 0o170000
    if (kind !== 0o100000) {
      yield { path, modifiedMs, what: { kind: 'refused', reason: 'a device file, socket or named pipe' } }
      continue
    }
    const sizeBytes = runs.reduce((sum, run) => sum + run.sizeBytes, 0)
    const executable = ((rock?.mode ?? 0) & 0o111) !== 0
    const losses = [
      ...(((rock?.mode ?? 0) & 0o6000) === 0 ? [] : ['setuid or setgid bit']),
      ...((rock?.uid ?? 0) === 0 ? [] : ['owner']),
    ]
    yield { path, modifiedMs, losses, what: { kind: 'file', sizeBytes, executable, bytes: bytesOf(image, runs) } }
  }
  above.delete(folder.from)
}

/** A folder that was moved away says its own size in its first record. */
async function childFolder(image: Image, block: number, blockBytes: number): Promise<Extent> {
  const from = block * blockBytes
  const first = await image.read(from, Math.min(SECTOR, image.sizeBytes - from))
  const dot = readRecord(first.subarray(0, first[0] ?? 0), blockBytes)
  return { from, sizeBytes: dot.extent.sizeBytes }
}

function readName(identifier: Buffer, joliet: boolean): string {
  const name = joliet ? Buffer.from(identifier).swap16().toString('utf16le') : identifier.toString('latin1')
  const [whole = ''] = name.split(';')
  // Without an extension the dot stays: it is no part of the name.
  return whole.endsWith('.') ? whole.slice(0, -1) : whole
}

async function readRockRidge(image: Image, use: Buffer, skip: number, blockBytes: number): Promise<RockRidge> {
  const found: RockRidge = {
    name: undefined,
    mode: undefined,
    uid: undefined,
    link: undefined,
    child: undefined,
    moved: false,
  }
  const name: Buffer[] = []
  const link = createLinkText()
  let area = use.subarray(skip)
  for (let areas = 0; ; areas++) {
    if (areas > MOST_CONTINUATIONS) throw new Error('an entry of the image goes on without end')
    let next: { block: number; offset: number; sizeBytes: number } | undefined
    for (let at = 0; at + 4 <= area.length; ) {
      const length = area[at + 2] ?? 0
      if (length < 4 || at + length > area.length) break
      const field = area.subarray(at, at + length)
      at += length
      const signature = field.toString('latin1', 0, 2)
      if (signature === 'ST') break
      if (signature === 'CE' && length >= 28)
        next = { block: field.readUInt32LE(4), offset: field.readUInt32LE(12), sizeBytes: field.readUInt32LE(20) }
      else if (signature === 'PX' && length >= 32) {
        found.mode = field.readUInt32LE(4)
        found.uid = field.readUInt32LE(20)
      } else if (signature === 'NM' && ((field[4] ?? 0) & 6) === 0) name.push(field.subarray(5))
      else if (signature === 'SL') link.add(field)
      else if (signature === 'CL' && length >= 12) found.child = field.readUInt32LE(4)
      else if (signature === 'RE') found.moved = true
    }
    if (next === undefined) break
    area = await image.read(next.block * blockBytes + next.offset, Math.min(next.sizeBytes, SECTOR))
  }
  if (name.length > 0) found.name = Buffer.concat(name).toString('utf8')
  found.link = link.text()
  return found
}

/** The text of a symlink out of its components (P1282 4.1.3). */
function createLinkText() {
  const parts: string[] = []
  let any = false
  let open = false
  const add = (text: string, goesOn: boolean) => {
    if (open) parts[parts.length - 1] += text
    else parts.push(text)
    open = goesOn
  }
  return {
    add(field: Buffer): void {
      any = true
      for (let at = 5; at + 2 <= field.length; ) {
        const flags = field[at] ?? 0
        const length = field[at + 1] ?? 0
        const content = field.toString('utf8', at + 2, at + 2 + length)
        at += 2 + length
        if ((flags & 8) !== 0) add('', false)
        else add((flags & 2) !== 0 ? '.' : (flags & 4) !== 0 ? '..' : content, (flags & 1) !== 0)
      }
    },
    text: (): string | undefined => (any ? (parts.length === 1 && parts[0] === '' ? '/' : parts.join('/')) : undefined),
  }
}
