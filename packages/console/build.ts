/**
 * Builds the web apps into `dist` when their sources are newer than it, else does nothing.
 *
 * 1. "Newer" is a digest of every source, not a time: a checkout changes times, not meanings.
 * 2. `dist` can be served all the while, and several processes may build at once: files with a hash
 *    in their name are moved in first, then each page replaces its old one in one step, then what
 *    no page needs is removed.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import config from './vite.config.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const sources = ['src', 'center.html', 'content-security-policy.ts', 'vite.config.ts', 'build.ts', 'package.json']
const sharedSources = ['../protocol/src', '../engine/src', '../../package-lock.json']

/** Folder of the built pages. */
export const dist = join(folder, 'dist')

/** Makes sure that `dist` is built from the present sources. Returns whether it had to build. */
export async function buildConsole(): Promise<boolean> {
  const digest = await sourcesDigest()
  const stamp = join(dist, 'sources.sha256')
  if ((await readFile(stamp, 'utf8').catch(() => '')) === digest) return false

  const fresh = join(dist, `.building-${process.pid}`)
  try {
    await build({
      ...config,
      configFile: false,
      logLevel: 'warn',
      build: { ...config.build, outDir: fresh, emptyOutDir: true },
    })
    await replaceDist(fresh)
    await writeFile(stamp, digest)
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  return true
}

/** (2) */
async function replaceDist(fresh: string): Promise<void> {
  await mkdir(join(dist, 'assets'), { recursive: true })
  const assets = await readdir(join(fresh, 'assets'))
  for (const asset of assets) await rename(join(fresh, 'assets', asset), join(dist, 'assets', asset))
  const pages = (await readdir(fresh)).filter((name) => name.endsWith('.html'))
  for (const page of pages) await rename(join(fresh, page), join(dist, page))
  for (const old of await readdir(join(dist, 'assets')))
    if (!assets.includes(old)) await rm(join(dist, 'assets', old), { force: true })
}

/** (1) */
async function sourcesDigest(): Promise<string> {
  const hash = createHash('sha256')
  for (const source of [...sources, ...sharedSources])
    for (const file of await filesUnder(join(folder, source)))
      hash
        .update(relative(folder, file))
        .update('\0')
        .update(await readFile(file))
        .update('\0')
  return hash.digest('hex')
}

async function filesUnder(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true }).catch(() => undefined)
  if (!entries) return [path]
  return entries
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildConsole()
  console.log(built ? `Built into ${relative(process.cwd(), dist)}` : 'The pages are up to date.')
}
