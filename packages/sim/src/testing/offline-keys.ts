/** A workstation with root and release keys for a site without sockets: the code of the command line, called directly. */
import { join } from 'node:path'
import { type CatalogueMode, CataloguePublication, type SigningRole } from '@sluice/protocol'
import type { CatalogueSite } from '../../../cli/src/keys/catalogue-site.ts'
import type { SigningKey } from '../../../cli/src/keys/key-file.ts'
import { makeKey } from '../../../cli/src/keys/key-file.ts'
import { openKeysFolder } from '../../../cli/src/keys/keys-folder.ts'
import { knownCatalogue } from '../../../cli/src/keys/known-catalogue.ts'
import { readRoot } from '../../../cli/src/keys/signed-metadata.ts'
import { handOver, keyChange, nextKeyOf, type Signed, signReleases, signRoot } from '../../../cli/src/keys/signing.ts'
import type { SiteWorld } from '../../../site/src/deployments/testing/site-world.ts'

/** The admin API of the catalogue, without a network. */
function catalogueSite({ catalogue }: SiteWorld): CatalogueSite {
  const routes = {
    catalogue: () => catalogue.info(),
    catalogueFile: ({ id = '' }) => catalogue.file(id),
    releases: () => catalogue.releases(),
    publishCatalogue: ({ body = {} as unknown }) => catalogue.publishSigned(CataloguePublication.parse(body)),
    rotateKey: ({ id = '' }) => catalogue.rotate(id as SigningRole),
  }
  return {
    call: (route: string, request: object = {}) => routes[route as keyof typeof routes](request as never),
  } as CatalogueSite
}

/** @param holders how many have a root key, and how many of them must sign */
export async function openWorkstation(
  world: SiteWorld,
  folderPath: string,
  holders: { count: number; threshold: number } = { count: 1, threshold: 1 },
) {
  const site = catalogueSite(world)
  const folder = await openKeysFolder(join(folderPath, 'workstation'))
  const keys: Record<'root' | 'release', SigningKey> = {
    root: (await makeKey('root', 'a passphrase')).key,
    release: (await makeKey('release', 'a passphrase')).key,
  }
  const roots = [keys.root]
  while (roots.length < holders.count) roots.push((await makeKey('root', 'a passphrase')).key)
  const now = () => world.clock.now()
  const known = () => knownCatalogue(site, folder)
  const handIn = async (signed: Signed) => void (await handOver(site, folder, await known(), signed))

  return {
    keys,
    roots,
    /** A new root key in the place of one, signed by the new one and these. */
    async replaceRoot(index: number, signers: readonly SigningKey[]): Promise<void> {
      const { key } = await makeKey('root', 'a passphrase')
      const replaceRoot = { keyid: roots[index]?.keyid ?? '', by: key }
      await handIn(signRoot(await known(), { replaceRoot }, { signers: [key, ...signers] }, now()))
      roots[index] = key
    },
    known,
    async move(): Promise<CatalogueMode> {
      const first = readRoot((await site.call('catalogueFile', { id: '1.root.json' })).text)
      const before = await knownCatalogue(site, folder, first)
      const change = {
        ...{ mode: 'offline' as const, roots: { keys: roots, threshold: holders.threshold } },
        ...keyChange(keys.release),
      } as const
      const signed = signRoot(
        before,
        change,
        { signers: roots.slice(0, holders.threshold), release: keys.release },
        now(),
      )
      await handOver(site, folder, before, signed)
      return await world.catalogue.mode()
    },
    /** Signs everything that waits, and what has to be signed again. */
    async release(withdraw: readonly string[] = []): Promise<void> {
      const waiting = (await site.call('releases')).filter(({ state }) => state === 'waitingForRelease')
      const release = new Map(waiting.map(({ name, sha256, lengthBytes }) => [name, { sha256, lengthBytes }]))
      const change = { release, withdraw, keepOlder: false }
      await handIn(signReleases(await known(), keys.release, change, now()))
    },
    async rotate(role: SigningRole): Promise<void> {
      if (role === 'root' || role === 'release') {
        const { key } = await makeKey(role, 'a passphrase')
        const signers = role === 'root' ? [keys.root, key] : [keys.root]
        const release = role === 'release' ? key : undefined
        await handIn(signRoot(await known(), keyChange(key), { signers, release }, now()))
        keys[role] = key
      } else {
        const change = { keys: { [role]: await nextKeyOf(site, role) } }
        await handIn(signRoot(await known(), change, { signers: [keys.root] }, now()))
      }
    },
  }
}
