/**
 * What is signed on a workstation: releases, the move to offline mode, new keys.
 *
 *   W1. Lists are made from what is known to be signed (`known-catalogue.ts`) and from what the operator
 *       has just checked; the site adds nothing to them.
 *   W2. A release takes the place of what was released of the same thing before, so that nobody can
 *       choose the older one (unless told to keep it).
 *   W3. What was signed is kept here after the site took it; if that is lost, the site's copy, verified,
 *       is as good.
 */
import { type CatalogueInfo, catalogueBins, type SigningRole } from '@sluice/protocol'
import { failLocally } from '../local-failure.ts'
import type { CatalogueSite } from './catalogue-site.ts'
import type { PublicHalf, SigningKey } from './key-file.ts'
import type { KeysFolder } from './keys-folder.ts'
import { isDue, type KnownCatalogue, nextVersion } from './known-catalogue.ts'
import {
  binOf,
  binText,
  followRoot,
  type Listed,
  nextRoot,
  type RootChange,
  readRoot,
  targetsText,
} from './signed-metadata.ts'

export interface Signed {
  root?: string
  targets?: string
  bins: Record<string, string>
}

/** `sequence/seq_…` of `sequence/seq_…/3`. */
export const seriesOf = (name: string): string => name.slice(0, name.lastIndexOf('/'))

/** What is released, by name. */
export function releasedNames(known: KnownCatalogue): Map<string, Listed> {
  return new Map([...known.bins.values()].flatMap(({ listed }) => [...listed]))
}

/**
 * The lists with what is released now, and without what it replaces (W2) or what is withdrawn.
 * Lists that expire soon, or that the site has lost, are signed too.
 * @param now milliseconds since 1970
 */
export function signReleases(
  known: KnownCatalogue,
  key: SigningKey,
  change: { release: ReadonlyMap<string, Listed>; withdraw: readonly string[]; keepOlder: boolean },
  now: number,
): Signed {
  const listed = releasedNames(known)
  const touched = new Set<string>()
  const drop = (name: string) => {
    if (listed.delete(name)) touched.add(binOf(name))
  }
  for (const name of change.withdraw) drop(name)
  for (const [name, target] of change.release) {
    if (!change.keepOlder)
      for (const older of [...listed.keys()]) if (seriesOf(older) === seriesOf(name) && older !== name) drop(older)
    listed.set(name, target)
    touched.add(binOf(name))
  }
  const signed: Signed = { bins: {} }
  if (known.rootIsAhead) signed.root = known.root.text
  if (known.targets.siteIsBehind || isDue(known.targets, now))
    signed.targets = targetsText(key, nextVersion(known.targets.version, now), now)
  for (const [role, bin] of known.bins) {
    if (!touched.has(role) && !bin.siteIsBehind && !isDue(bin, now)) continue
    signed.bins[role] = binOfNames(key, role, listed, nextVersion(bin.version, now), now)
  }
  return signed
}

/** All lists anew: for another release key. @param now milliseconds since 1970 */
export function signAll(known: KnownCatalogue, key: SigningKey, now: number): Pick<Signed, 'targets' | 'bins'> {
  const listed = releasedNames(known)
  return {
    targets: targetsText(key, nextVersion(known.targets.version, now), now),
    bins: Object.fromEntries(
      catalogueBins.map(({ role }) => {
        const version = nextVersion(known.bins.get(role)?.version ?? 0, now)
        return [role, binOfNames(key, role, listed, version, now)]
      }),
    ),
  }
}

const binOfNames = (key: SigningKey, role: string, listed: Map<string, Listed>, version: number, now: number) =>
  binText(
    key,
    version,
    [...listed].filter(([name]) => binOf(name) === role).sort(([a], [b]) => (a < b ? -1 : 1)),
    now,
  )

/** A root with new keys, and all lists when the release key is among them. */
export function signRoot(
  known: KnownCatalogue,
  change: RootChange,
  keys: { signers: readonly SigningKey[]; release?: SigningKey | undefined },
  now: number,
): Signed {
  const root = nextRoot(known.root, change, keys.signers, now)
  return { root, ...(keys.release === undefined ? { bins: {} } : signAll(known, keys.release, now)) }
}

/**
 * The key that a site made for a role, in the place of the one that the root lists. The site is asked
 * for it; whoever has the site has its keys anyway.
 */
export async function nextKeyOf(site: CatalogueSite, role: SigningRole): Promise<{ keyid: string; publicKey: string }> {
  const info = await site.call('rotateKey', { id: role })
  const next = info.keys.find((key) => key.role === role)?.next
  return next ?? failLocally(`The site made no key for ${role}.`)
}

/** Hands over what was signed; keeps it here once the site has taken it (W3). */
export async function handOver(
  site: CatalogueSite,
  folder: KeysFolder,
  known: KnownCatalogue,
  signed: Signed,
): Promise<CatalogueInfo> {
  const info = await site.call('publishCatalogue', { body: signed })
  await folder.bind(info.siteId)
  if (signed.root !== undefined && !known.rootIsAhead) {
    // The site may have added its own signature, at the move; what counts is that both fit.
    const { version } = readRoot(signed.root)
    const published = (await site.call('catalogueFile', { id: `${version}.root.json` })).text
    await folder.keepSigned('root', followRoot(known.root, published).text)
  } else await folder.keepSigned('root', known.root.text)
  const lists = { ...signed.bins, ...(signed.targets === undefined ? {} : { targets: signed.targets }) }
  for (const [role, text] of Object.entries(lists)) await folder.keepSigned(role, text)
  return info
}

/** The change of a root that puts these keys in their places. */
export const keyChange = (...keys: readonly PublicHalf[]): Pick<RootChange, 'keys'> => ({
  keys: Object.fromEntries(keys.map(({ role, keyid, publicKey }) => [role, { keyid, publicKey }])) as NonNullable<
    RootChange['keys']
  >,
})
