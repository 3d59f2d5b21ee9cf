/** Room that is kept on the disk, so that an agent whose disk is full can still say so (security-reliability §4.2, E12). */
import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeDurable } from './durable-file.ts'

const FILE = 'reserve'
const SIZE_BYTES = 1024 * 1024

/** Sets the room aside unless it is there. On a full disk there is none, and nothing happens. */
export async function keepReserve(folder: string): Promise<void> {
  const path = join(folder, FILE)
  if (existsSync(path)) return
  // Random, since a file system may store zeros without any room.
  await writeDurable(path, randomBytes(SIZE_BYTES)).catch(() => {})
}

/** Gives the room to whoever needs it now; false when it is gone already. */
export function spendReserve(folder: string): boolean {
  const path = join(folder, FILE)
  if (!existsSync(path)) return false
  rmSync(path, { force: true })
  return true
}
