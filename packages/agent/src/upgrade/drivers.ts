/**
 * Driver content of an upgrade step: put where the kernel of the new release looks first for
 * firmware, `/lib/firmware/updates` (kernel documentation, "Firmware search paths"), file by file.
 */
import { join } from 'node:path'
import { listTree, placeFile } from './place-files.ts'

const PLACE = 'lib/firmware/updates'

/** Returns how many files are new or changed. Doing it again changes nothing. */
export async function stageDrivers(driverPath: string, osRoot: string): Promise<number> {
  let placed = 0
  for (const path of await listTree(driverPath))
    if (await placeFile(join(driverPath, path), osRoot, `${PLACE}/${path}`)) placed += 1
  return placed
}
