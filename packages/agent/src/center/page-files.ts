/** The built web app, as files that may be served: only what lies in its folder, by plain names. */
import { readFile, realpath } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'

export interface PageFile {
  contentType: string
  cacheControl: string
  bytes: Buffer
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
}
const PAGE = '/center.html'

/** @param path of the request, undecoded, without its query; undefined when there is no such file */
export async function readPageFile(folder: string, path: string): Promise<PageFile | undefined> {
  const name = path === '/' ? PAGE : path
  // Plain segments only: no escapes, no dots in front, so nothing can lead out of the folder by its name.
  if (!/^(\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}){1,8}$/.test(name)) return undefined
  const contentType = types[extname(name)]
  if (contentType === undefined) return undefined
  try {
    const [root, file] = await Promise.all([realpath(folder), realpath(join(folder, name))])
    // Nor by a link.
    if (!file.startsWith(root + sep)) return undefined
    return {
      contentType,
      // Files of the build carry a hash in their name.
      cacheControl: name.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-store',
      bytes: await readFile(file),
    }
  } catch {
    return undefined
  }
}
