/** Files and folders of the agent that must survive a power cut whole or not at all (security-reliability §4.3). */
import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '@sluice/content'

export { syncFolder, writeFileAtomic as writeDurable } from '@sluice/content'

/** Makes a folder and its missing ancestors, for their owner only, durably (F2). */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = path; ; made = dirname(made)) {
    await syncFolder(dirname(made))
    if (made === first || dirname(made) === made) return
  }
}

/** Removes a folder with all in it. Windows refuses while a process that is just ending has a file of it open. */
export const removeFolder = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
