/**
 * The gear table: one random 32-bit number for each byte value. Part of the format: another table
 * gives other cut points, and every import would look new.
 */
import { createHash } from 'node:crypto'

export const gear: Int32Array = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update(`sluice gear 1 ${byte}`).digest().readInt32LE(0),
)
