/** What the effects of content steps must be. */
import { createHash } from 'node:crypto'
import { seededBytes } from '../demo/seeded-bytes.ts'
import { scenarioPackage } from './world.ts'

/** The line that `contentStep(n)` leaves when the bytes are right. */
export const contentEffect = (n: number, packageBytes: number): string =>
  createHash('sha256')
    .update(seededBytes(scenarioPackage(n).id, packageBytes))
    .digest('hex')
    .slice(0, 16)
