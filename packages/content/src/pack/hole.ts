import { MAX_CHUNK_BYTES } from './frame-format.ts'

const zeros = Buffer.alloc(MAX_CHUNK_BYTES)

/** Whether a chunk is nothing but zeros: it is carried as a hole. */
export const isZero = (bytes: Buffer): boolean => bytes[0] === 0 && bytes.equals(zeros.subarray(0, bytes.length))
