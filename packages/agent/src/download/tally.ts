/**
 * Bytes that a run needed and fetched of one package, counted where they are received. Kept in a
 * small file that is overwritten in place, in the background: a kill costs
 * the counts of the last tenth of a second, a power cut those since the last checkpoint.
 */
import { constants, existsSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { ByteSources } from '@sluice/protocol'

export interface Bytes {
  /** Stored bytes of the frames that were needed and lacking. */
  neededBytes: number
  /** Pack bytes that came over the network, also those of no use. */
  fetchedBytes: number
  /** Bytes of pages and roots that came over the network. */
  metadataBytes: number
  /** Of what came over the network, from a cloud distribution point; the rest came from gateways. */
  cloudBytes: number
  /** Plain bytes that this device had of the content before the run asked for it. */
  cacheBytes: number
  /** Plain bytes that came from other contents and files on this device. */
  seedBytes: number
}

export interface Tally {
  current(): Bytes
  add(bytes: Partial<Bytes>): void
  /** Flushes the file to the disk. */
  checkpoint(): Promise<void>
  /** Everything that was counted is in the file when it returns. */
  close(): Promise<void>
}

const FIELDS = ['neededBytes', 'fetchedBytes', 'metadataBytes', 'cloudBytes', 'cacheBytes', 'seedBytes'] as const
/** Between a count and its place in the file. */
const SAVE_MS = 100
const FILE_BYTES = FIELDS.length * 8

/** Opens the file, makes it when it is missing. Its place on the disk is taken now: a count never lacks space later. */
export async function openTally(path: string): Promise<Tally> {
  const now = readTally(path)
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  let saving: Promise<void> | undefined
  let changed = false
  let timer: NodeJS.Timeout | undefined

  const write = async () => {
    const buffer = Buffer.alloc(FILE_BYTES)
    for (const [i, field] of FIELDS.entries()) buffer.writeBigUInt64LE(BigInt(now[field]), i * 8)
    await file.write(buffer, 0, FILE_BYTES, 0)
  }
  const save = async () => {
    for (changed = true; changed; ) {
      changed = false
      await write()
    }
  }
  const saveNow = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    changed = true
    saving ??= save().finally(() => {
      saving = undefined
    })
    return saving
  }
  try {
    await write()
  } catch (error) {
    await file.close()
    throw error
  }
  return {
    current: () => ({ ...now }),
    add(bytes) {
      for (const field of FIELDS) now[field] += bytes[field] ?? 0
      // Whoever wants it on the disk hears of a failure.
      timer ??= setTimeout(() => saveNow().catch(() => {}), SAVE_MS)
    },
    async checkpoint() {
      await saveNow()
      await file.datasync()
    },
    async close() {
      try {
        await saveNow()
      } finally {
        await file.close()
      }
    },
  }
}

/** As reports have them. */
export const sourcesOf = ({ fetchedBytes, metadataBytes, cloudBytes, cacheBytes, seedBytes }: Bytes): ByteSources => ({
  cloudBytes,
  gatewayBytes: fetchedBytes + metadataBytes - cloudBytes,
  cacheBytes,
  seedBytes,
})

/** The counts of a file, all 0 when there is none. */
export function readTally(path: string): Bytes {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
  // An older agent counted fewer things.
  const at = (i: number) => (bytes.length >= (i + 1) * 8 ? Number(bytes.readBigUInt64LE(i * 8)) : 0)
  return Object.fromEntries(FIELDS.map((field, i) => [field, at(i)])) as unknown as Bytes
}
