import { createCipheriv } from 'node:crypto'

/** Bytes that do not compress and are the same for the same seed, so that a demo can be repeated. */
export function seededBytes(seed: string, sizeBytes: number): Buffer {
  const key = Buffer.alloc(32)
  key.write(seed)
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes))
}
