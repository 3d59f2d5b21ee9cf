/** Which release a root says it is. */
import { readFileSync } from 'node:fs'
import { parseOsRelease } from '../platform/os-release.ts'
import { followToFile } from './root-path.ts'

export interface Release {
  id: string
  version: string
  /** For people. */
  name: string
  /** The whole file: whether a release changed is seen in its text. */
  text: string
}

/** Reads `os-release` of the root (os-release(5)); undefined when there is none. */
export function readRelease(osRoot: string): Release | undefined {
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    try {
      const text = readFileSync(followToFile(osRoot, path), 'utf8')
      const { id, version, name } = parseOsRelease(text)
      return { id, version, name, text }
    } catch {
      // The next place.
    }
  }
  return undefined
}
