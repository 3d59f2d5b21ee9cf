/** Files that hold sequences of other systems: XML, and exports of the console as ZIP archives. */
import { basename, dirname, resolve } from 'node:path'
import { type ExportedProgram, readPrograms, readReferenceNames } from '@sluice/engine'
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'
import { decodeXml } from './xml-text.ts'
import { MAX_ENTRY_BYTES, readZip, type ZipEntry } from './zip-archive.ts'

const MAX_ARCHIVE_BYTES = 256 * 1024 * 1024
/** Of all XML in an archive together, unpacked. */
const MAX_UNPACKED_BYTES = 128 * 1024 * 1024
/** Archives inside archives; exports are shared that way. */
const MAX_ARCHIVES_DEEP = 2

export interface SequenceDocuments {
  documents: { file: string; text: string; name: string }[]
  /** What packages are called, where an export says it. */
  packageNames: Map<string, string>
  /** Programs of packages, where dependencies were exported. */
  programs: ExportedProgram[]
  warnings: string[]
}

/** @throws LocalFailure for what is too large, damaged, or holds no sequence at all */
export async function readSequenceDocuments(files: readonly string[]): Promise<SequenceDocuments> {
  const found: SequenceDocuments = { documents: [], packageNames: new Map(), programs: [], warnings: [] }
  const unpacked = { bytes: 0 }
  for (const file of files) {
    const isArchive = /\.zip$/i.test(file)
    const bytes = await readLocalFile(file, isArchive ? MAX_ARCHIVE_BYTES : MAX_ENTRY_BYTES)
    if (!isArchive && !startsAsZip(bytes)) addDocument(found, file, file, bytes)
    else {
      const before = found.documents.length
      await addArchive(found, file, bytes, unpacked, 1)
      if (found.documents.length === before) failLocally(`There is no task sequence in ${file}.`)
    }
  }
  return found
}

async function addArchive(
  found: SequenceDocuments,
  file: string,
  bytes: Buffer,
  unpacked: { bytes: number },
  depth: number,
): Promise<void> {
  const unpack = async (entry: ZipEntry): Promise<Buffer> => {
    unpacked.bytes += entry.sizeBytes
    if (unpacked.bytes > MAX_UNPACKED_BYTES) failLocally(`${file} unpacks to more than ${MAX_UNPACKED_BYTES} bytes.`)
    return entry.read()
  }
  for (const entry of readZip(bytes, file)) {
    const label = `${file}!${entry.name}`
    if (/\.zip$/i.test(entry.name) && depth < MAX_ARCHIVES_DEEP)
      await addArchive(found, label, await unpack(entry), unpacked, depth + 1)
    if (!/\.xml$/i.test(entry.name)) continue
    const content = await unpack(entry)
    const { text } = decodeXml(content)
    if (/(^|\/)ReferencesInfo\.xml$/i.test(entry.name))
      for (const [id, name] of readReferenceNames(text)) found.packageNames.set(id, name)
    else if (/<sequence|&lt;sequence/.test(text)) addDocument(found, label, entry.name, content)
    if (text.includes('SMS_Program')) found.programs.push(...readPrograms(text))
  }
}

function addDocument(found: SequenceDocuments, label: string, path: string, bytes: Uint8Array): void {
  const { text, guessed } = decodeXml(bytes)
  if (guessed !== undefined) found.warnings.push(`${label} does not say how it is written; it was read as ${guessed}.`)
  found.documents.push({ file: label, text, name: nameFor(path) })
}

/** Files are often called alike (`ts.xml`, `object.xml`); then the folder tells them apart. */
function nameFor(path: string): string {
  const name = basename(path).replace(/\.xml$/i, '')
  const folder = basename(dirname(resolve('/', path)))
  return /^(ts|object)$/i.test(name) && folder !== '' ? folder : name || 'Imported sequence'
}

const startsAsZip = (bytes: Buffer): boolean => bytes.subarray(0, 4).equals(Buffer.from('PK\x03\x04', 'latin1'))
