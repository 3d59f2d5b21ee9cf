/**
 * What the workstation holds for true of a site's catalogue: what the site gives, as far as it is
 * signed by trusted keys and not older than what this side signed or saw before.
 */
import { catalogueBins, catalogueLives } from '@sluice/protocol'
import type { Metadata, Targets } from '@tufjs/models'
import { failLocally } from '../local-failure.ts'
import type { CatalogueSite } from './catalogue-site.ts'
import type { KeysFolder } from './keys-folder.ts'
import { followRoot, type Listed, readList, readRoot, type TrustedRoot } from './signed-metadata.ts'

const MAX_ROOTS = 256

export interface KnownList {
  text: string
  version: number
  expiresAt: number
  listed: Map<string, Listed>
  /** The site has an older one: it was restored, and gets this one again. */
  siteIsBehind: boolean
}

export interface KnownCatalogue {
  root: TrustedRoot
  /** The site's chain ends before this one. */
  rootIsAhead: boolean
  targets: KnownList
  /** By role. */
  bins: Map<string, KnownList>
}

/**
 * @param first trust this root when the folder knows none: the first contact, at the move
 */
export async function knownCatalogue(
  site: CatalogueSite,
  folder: KeysFolder,
  first?: TrustedRoot,
): Promise<KnownCatalogue> {
  const info = await site.call('catalogue')
  const bound = await folder.siteId()
  if (bound !== undefined && bound !== info.siteId)
    failLocally(`${folder.path} is for ${bound}; this site is ${info.siteId}.`)
  const kept = await folder.signed('root')
  const begin = kept === undefined ? first : readRoot(kept)
  if (begin === undefined) return failLocally(`${folder.path} knows no site yet: run \`sluice keys move\` first.`)
  let root = begin
  const newest = readRoot(await fileOf(site, 'root.json')).version
  if (newest - root.version > MAX_ROOTS) failLocally(`The site is ${newest - root.version} roots ahead.`)
  while (root.version < newest) root = followRoot(root, await fileOf(site, `${root.version + 1}.root.json`))

  const targets = await newerOf(site, folder, 'targets', root, undefined)
  const bins = new Map<string, KnownList>()
  for (const { role } of catalogueBins) bins.set(role, await newerOf(site, folder, role, root, targets.metadata))
  return { root, rootIsAhead: newest < root.version, targets, bins }
}

const fileOf = async (site: CatalogueSite, name: string): Promise<string> =>
  (await site.call('catalogueFile', { id: name })).text

/** Of the site's list and the one that was kept, the newer that the trusted keys signed. */
async function newerOf(
  site: CatalogueSite,
  folder: KeysFolder,
  role: string,
  root: TrustedRoot,
  top: Metadata<Targets> | undefined,
): Promise<KnownList & { metadata: Metadata<Targets> }> {
  const kept = await folder.signed(role)
  const text = await fileOf(site, `${role}.json`)
  const ours = kept === undefined ? undefined : listOrNothing(role, kept, root, top)
  // A restored site may still have lists of keys that were rotated since: ours counts then.
  const theirs = ours === undefined ? readList(role, text, root, top) : listOrNothing(role, text, root, top)
  const siteIsBehind = ours !== undefined && (theirs === undefined || ours.signed.version > theirs.signed.version)
  const metadata = siteIsBehind || theirs === undefined ? ours : theirs
  if (metadata === undefined) throw new Error('neither list counts')
  const { version, expires, targets } = metadata.signed
  return {
    metadata,
    text: siteIsBehind ? (kept ?? text) : text,
    version,
    expiresAt: Date.parse(expires),
    listed: new Map(
      Object.values(targets).map(({ path, length, hashes }) => [
        path,
        { sha256: hashes.sha256 ?? '', lengthBytes: length },
      ]),
    ),
    siteIsBehind,
  }
}

function listOrNothing(role: string, text: string, root: TrustedRoot, top: Metadata<Targets> | undefined) {
  try {
    return readList(role, text, root, top)
  } catch {
    return undefined
  }
}

/** Whether a list should be signed again, so that it does not expire. @param now milliseconds since 1970 */
export const isDue = ({ expiresAt }: { expiresAt: number }, now: number): boolean =>
  expiresAt - now < catalogueLives.targets.renewMs

/** Versions rise with the clock, as on the site (design §5). */
export const nextVersion = (before: number, now: number): number => Math.max(before + 1, Math.floor(now / 1000))
