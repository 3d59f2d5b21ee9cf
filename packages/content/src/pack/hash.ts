import { hash } from 'node:crypto'
import type { Sha256 } from '@sluice/protocol'

/** SHA-256 of bytes, as the name that objects and chunks go by. */
export const sha256 = (bytes: Uint8Array): Sha256 => hash('sha256', bytes, 'hex') as Sha256
