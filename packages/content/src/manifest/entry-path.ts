/**
 * Which paths may be in a package (design §4.1; security-reliability SEC-75). Checked at import,
 * and again by every reader before anything is written.
 */
import type { ContentTarget } from '@sluice/protocol'

/** Longest path and longest symlink target, in bytes of UTF-8. */
export const MAX_PATH_BYTES = 4096
const MAX_NAME_LENGTH = 255

const windowsReserved = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)/i
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what Windows forbids in names
const windowsForbidden = /[\u0000-\u001f<>:"\\|?*]/

/** Why a name may not stand in a path for this target; undefined when it may. */
export function nameFault(name: string, target: ContentTarget): string | undefined {
  if (name === '') return 'an empty name'
  if (name === '..') return 'a path that leads out of its folder'
  if (name === '.') return 'a relative name'
  if (name.includes('\0') || name.includes('/')) return 'a character that no name may have'
  if (!name.isWellFormed()) return 'not valid Unicode'
  if (target !== 'windows' && Buffer.byteLength(name) > MAX_NAME_LENGTH) return 'longer than 255 bytes'
  if (target === 'linux') return undefined
  if (name.length > MAX_NAME_LENGTH) return 'longer than 255 characters'
  if (windowsForbidden.test(name)) return 'a character that Windows forbids in names'
  if (windowsReserved.test(name)) return 'a name that Windows reserves for a device'
  if (name.endsWith('.') || name.endsWith(' ')) return 'a dot or space at the end, which Windows drops'
  if (name.normalize('NFC') !== name) return 'not in Unicode normal form C'
  return undefined
}

/** Paths that programs on Windows open without asking for more, with the character that ends them. */
const WINDOWS_PATH_LENGTH = 260
/** Room for the folder that steps get: `C:\ProgramData\Sluice\cache\contents\`, the name of a content, a separator. */
export const WINDOWS_BASE_LENGTH = 120

/** Whether many programs on Windows could not open the path in the cache. The agent itself can. */
export const isLongOnWindows = (path: string, target: ContentTarget): boolean =>
  target === 'windows' && WINDOWS_BASE_LENGTH + path.length >= WINDOWS_PATH_LENGTH

/** Why a relative path with `/` between names may not be in a package for this target. */
export function pathFault(path: string, target: ContentTarget): string | undefined {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `longer than ${MAX_PATH_BYTES} bytes`
  if (path.startsWith('/')) return 'an absolute path'
  for (const name of path.split('/')) {
    const fault = nameFault(name, target)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** Why a symlink's text cannot be kept. */
export function symlinkFault(target: string): string | undefined {
  if (target === '') return 'a symlink to nothing'
  if (target.includes('\0') || !target.isWellFormed()) return 'a symlink whose target is not valid Unicode'
  if (Buffer.byteLength(target) > MAX_PATH_BYTES) return `a symlink target longer than ${MAX_PATH_BYTES} bytes`
  return undefined
}

/** Two names with the same key are the same file on the target. */
export function nameKey(name: string, target: ContentTarget): string {
  if (target === 'linux') return name
  // As NTFS does it: character by character; one that has no single upper-case form stays.
  let key = ''
  for (const character of name.normalize('NFC')) {
    const upper = character.toUpperCase()
    key += upper.length === character.length ? upper : character
  }
  return key
}

/** The fixed order of entries: name by name, so a folder's entries stand together. Negative when `a` comes first. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    if (left !== right) return (left === 0x2f ? -1 : left) - (right === 0x2f ? -1 : right)
  }
  return a.length - b.length
}
