/**
 * Bytes that a run needed and fetched of one package, counted where they are received. Kept in a
 * small file that is overwritten in place: it survives a kill without a flush, and a power cut as
 * far as the last checkpoint.
 */
import { closeSync, constants, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
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
  checkpoint(): void
  close(): void
}

const FIELDS = ['neededBytes', 'fetchedBytes', 'metadataBytes', 'cloudBytes', 'cacheBytes', 'seedBytes'] as const
const FILE_BYTES = FIELDS.length * 8

/** Opens the file, makes it when it is missing. */
export function openTally(path: string): Tally {
  const now = readTally(path)
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const buffer = Buffer.alloc(FILE_BYTES)
  return {
    current: () => ({ ...now }),
    add(bytes) {
      for (const [i, field] of FIELDS.entries()) {
        now[field] += bytes[field] ?? 0
        buffer.writeBigUInt64LE(BigInt(now[field]), i * 8)
      }
      writeSync(file, buffer, 0, FILE_BYTES, 0)
    },
    checkpoint: () => fsyncSync(file),
    close: () => closeSync(file),
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
