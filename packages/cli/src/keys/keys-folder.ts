/**
 * The folder of a workstation: the encrypted keys, and what was signed with them last.
 *
 *   `root.key`, `release.key`  the keys (`key-file.ts`); either may be elsewhere; several root keys: `root-keys.ts`
 *   `site.json`                which site they are for
 *   `signed/`                  root, targets and bins as they were signed or verified last
 *   `listings/`                what was released last of each sequence and package, for the next diff
 *
 * What stands in `signed` is this side's memory: a site that gives something older is restored or
 * lies, and is not followed.
 */
import { mkdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder, writeFileAtomic } from '@sluice/content'
import { ReleaseKeysSite, type SiteId } from '@sluice/protocol'
import { failLocally } from '../local-failure.ts'

export interface KeysFolder {
  path: string
  /** @param name as in `root`, `root-2` or `release` */
  keyPath(name: string): string
  /** For a key that takes the place of another once the site has taken it. */
  nextKeyPath(name: string): string
  /** After the site has taken it. */
  replaceKey(name: string): Promise<void>
  /** After its holder has it. */
  dropKey(name: string): Promise<void>
  siteId(): Promise<SiteId | undefined>
  bind(siteId: SiteId): Promise<void>
  /** As in `root`, `targets` or `bin-7`. */
  signed(role: string): Promise<string | undefined>
  keepSigned(role: string, text: string): Promise<void>
  /** What was released of `sequence/<id>` or `manifest/<id>` last, for people. */
  listing(series: string): Promise<string>
  keepListing(series: string, text: string): Promise<void>
}

export async function openKeysFolder(path: string): Promise<KeysFolder> {
  for (const each of [path, join(path, 'signed'), join(path, 'listings')])
    await mkdir(each, { recursive: true, mode: 0o700 })
  const listingPath = (series: string) => join(path, 'listings', `${series.replaceAll(/[^A-Za-z0-9_.-]/g, '-')}.txt`)
  const read = (file: string) => readFile(file, 'utf8').catch(absent)
  const keyPath = (name: string) => join(path, `${name}.key`)
  const nextKeyPath = (name: string) => join(path, `${name}.next.key`)
  return {
    path,
    keyPath,
    nextKeyPath,
    async replaceKey(name) {
      await rename(nextKeyPath(name), keyPath(name))
      await syncFolder(path)
    },
    async dropKey(name) {
      await unlink(keyPath(name))
      await syncFolder(path)
    },
    async siteId() {
      const text = await read(join(path, 'site.json'))
      if (text === undefined) return undefined
      const parsed = ReleaseKeysSite.safeParse(JSON.parse(text))
      return parsed.success ? parsed.data.siteId : failLocally(`${join(path, 'site.json')} cannot be read.`)
    },
    bind: (siteId) =>
      writeFileAtomic(join(path, 'site.json'), `${JSON.stringify({ format: 'sluice-release-keys/1', siteId })}\n`),
    signed: (role) => read(join(path, 'signed', `${role}.json`)),
    keepSigned: (role, text) => writeFileAtomic(join(path, 'signed', `${role}.json`), text),
    listing: async (series) => (await read(listingPath(series))) ?? '',
    keepListing: (series, text) => writeFileAtomic(listingPath(series), text),
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
