/** Finds and starts the Chromium of this machine for tests of the pages. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge']

/** Path of a Chromium on the `PATH` of this machine, if there is one. */
export function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const name of names)
    for (const folder of [...folders, '/usr/bin']) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {
        // Not here.
      }
    }
  return undefined
}

/** A reason to skip browser tests, or false. Where tests must not be skipped (`CI=true`), it throws. */
export function skipWithoutChromium(): string | false {
  if (findChromium() !== undefined) return false
  const why = `no Chromium on this machine (looked for ${names.join(', ')})`
  if (process.env.CI === 'true') throw new Error(why)
  return why
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium() ?? 'chromium',
    timeout: 120_000,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
}
