import { createCipheriv, createHash } from 'node:crypto'

/** Bytes that look random and are the same for the same seed on every machine. */
export function seededBytes(seed: string, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes))
}

/** Whole numbers from 0 to `below - 1`, the same for the same seed. */
export function seededNumbers(seed: string): (below: number) => number {
  let block: Buffer = Buffer.alloc(0)
  let at = 0
  let blocks = 0
  return (below) => {
    if (at + 6 > block.length) {
      block = seededBytes(`${seed} ${blocks++}`, 6 * 1024)
      at = 0
    }
    const value = block.readUIntLE(at, 6)
    at += 6
    return value % below
  }
}
