/** The file `os-release` of an operating system's root (freedesktop.org, os-release(5)). */
import { open, readlink } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { DeviceFacts } from '@sluice/protocol'

export type OsFacts = DeviceFacts['os']

const unknown: OsFacts = { id: 'unknown', name: 'Unknown operating system', version: '' }

/** Reads `/etc/os-release` of the root, then `/usr/lib/os-release`; `unknown` when there is neither. */
export async function readOsRelease(osRoot: string): Promise<OsFacts> {
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    const text = await readInRoot(osRoot, path)
    if (text !== undefined) return parseOsRelease(text)
  }
  return unknown
}

export function parseOsRelease(text: string): OsFacts {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, name, raw] = /^\s*([A-Z0-9_]+)=(.*)$/.exec(line) ?? []
    if (name !== undefined && raw !== undefined) fields.set(name, unquote(raw.trim()))
  }
  const version = fields.get('VERSION') ?? fields.get('VERSION_ID') ?? ''
  const name = fields.get('PRETTY_NAME') || [fields.get('NAME'), version].filter(Boolean).join(' ') || unknown.name
  const codename = fields.get('VERSION_CODENAME')
  return {
    id: (fields.get('ID') ?? unknown.id).slice(0, 64),
    name: name.slice(0, 255),
    version: (fields.get('VERSION_ID') ?? '').slice(0, 64),
    ...(codename === undefined ? {} : { codename: codename.slice(0, 64) }),
  }
}

/** Values are quoted as for a shell, with backslashes before `"`, `$`, `` ` `` and `\`. */
function unquote(raw: string): string {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(raw) ?? /^'([^']*)'$/.exec(raw) ?? []
  if (quoted === undefined) return raw
  return raw.startsWith('"') ? quoted.replace(/\\(["$`\\])/g, '$1') : quoted
}

/** First 16 KiB of a file below a root; an absolute link leads to a place in the root and not in ours. */
async function readInRoot(osRoot: string, path: string): Promise<string | undefined> {
  const link = await readlink(join(osRoot, path)).catch(() => undefined)
  const real = link !== undefined && isAbsolute(link) ? join(osRoot, link) : join(osRoot, path)
  const file = await open(real, 'r').catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(16 * 1024) })
    return buffer.subarray(0, bytesRead).toString('utf8')
  } finally {
    await file.close()
  }
}
