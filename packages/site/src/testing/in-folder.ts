import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Gives a test a folder of its own, which is gone afterwards. */
export async function inFolder(name: string, body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
