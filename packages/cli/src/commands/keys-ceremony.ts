/** A new root whose holders sign at different places and times: proposed, signed, put together (`keys/ceremony.ts`). */
import { existsSync } from 'node:fs'
import { writeFileAtomic } from '@sluice/content'
import type { RootCeremonyFile, SigningRole } from '@sluice/protocol'
import type { Command } from 'commander'
import { contentsOf, lacking, propose, putTogether, readCeremony, signCeremony } from '../keys/ceremony.ts'
import { confirm } from '../keys/confirm.ts'
import { makeKey, openKey, publicHalf, type SigningKey } from '../keys/key-file.ts'
import { type KeysFolder, openKeysFolder } from '../keys/keys-folder.ts'
import { type KnownCatalogue, knownCatalogue } from '../keys/known-catalogue.ts'
import { passphrase } from '../keys/passphrase.ts'
import { indexOfRoot, readPlan, rootNames, writePlan } from '../keys/root-keys.ts'
import { handOver, keyChange, nextKeyOf, signAll, signRoot } from '../keys/signing.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { addKeysOptions } from './keys-options.ts'
import { showCatalogue } from './keys-view.ts'

const DAY_MS = 24 * 3600_000

interface FinishOptions {
  keys: string
  passphraseFile?: string
  yes?: boolean
}

export function addCeremonyCommands(group: Command, session: Session): void {
  group
    .command('sign')
    .description('adds the signature of one holder to a new root that was proposed; needs no site')
    .argument('<file>', 'made by `sluice keys rotate --propose`')
    .requiredOption('--root-key <key>', 'file with the root key of the holder')
    .option('--root-passphrase-file <file>', 'file with its passphrase (default: it is asked for)')
    .option('--yes', 'do not ask')
    .action(
      async (path: string, options: { rootKey: string; rootPassphraseFile?: string; yes?: boolean }): Promise<void> => {
        const ceremony = await readCeremony(path, Date.now())
        for (const line of contentsOf(ceremony)) session.out.note(line)
        await confirm(session, options, 'This becomes what all devices trust. Compare it with what was agreed')
        const secret = await passphrase(session, options.rootPassphraseFile, false, options.rootKey)
        const file = signCeremony(ceremony, await openKey(options.rootKey, 'root', secret))
        await write(path, file)
        const left = lacking(putTogether([await readCeremony(path, Date.now())]))
        session.out.result({ file: path, lacking: left }, () => [
          left === 0
            ? `${path} has all signatures that it needs: \`sluice keys finish ${path}\`.`
            : `${path} is signed; ${left} more must sign it, or a copy of it.`,
        ])
      },
    )

  addKeysOptions(
    group
      .command('finish')
      .description('puts the copies of a new root together that holders signed, and hands it over')
      .argument('<file...>', 'the copies'),
  ).action(async (paths: string[], options: FinishOptions): Promise<void> => {
    const now = Date.now()
    const ceremony = putTogether(await Promise.all(paths.map((path) => readCeremony(path, now))))
    const left = lacking(ceremony)
    if (left > 0) failLocally(`${left} more must sign it.`)
    const site = await session.site()
    const folder = await openKeysFolder(options.keys)
    const known = await knownCatalogue(site, folder)
    const { role, replaces } = ceremony.file.what
    if (known.root.text !== ceremony.before.text)
      failLocally(`Root ${known.root.version} counts now: what was signed follows another one. Begin again.`)
    for (const line of contentsOf(ceremony)) session.out.note(line)
    await confirm(session, options, 'All devices trust this from now on')
    const root = ceremony.file.next
    if (role === 'release') {
      const secret = await passphrase(session, options.passphraseFile, false)
      const next = await openKey(folder.nextKeyPath(role), role, secret)
      showCatalogue(session, await handOver(site, folder, known, { root, ...signAll(known, next, now) }))
      return await folder.replaceKey(role)
    }
    const info = await handOver(site, folder, known, { root, bins: {} })
    if (role === 'root') await putInPlace(folder, replaces, ceremony.next.metadata.signed.roles.root?.keyIDs ?? [])
    showCatalogue(session, info)
  })
}

/** Writes the new root into a file, with no signature but that of a root key that comes. */
export async function proposeRoot(
  session: Session,
  folder: KeysFolder,
  role: SigningRole,
  options: { replace?: string; passphraseFile?: string; days?: number },
  path: string,
): Promise<void> {
  if (existsSync(path)) failLocally(`${path} is there already.`)
  const site = await session.site()
  const known = await knownCatalogue(site, folder)
  const now = Date.now()
  const { next, replaces } = await nextRootOf(session, folder, known, role, options, now)
  const what = { role, ...(replaces === undefined ? {} : { replaces }) }
  const file = propose({ what, before: known.root, next }, (options.days ?? 14) * DAY_MS, now)
  await write(path, file)
  for (const line of contentsOf(await readCeremony(path, now))) session.out.note(line)
  session.out.result({ file: path, expiresAt: file.expiresAt }, () => [
    `Wrote ${path}: each holder runs \`sluice keys sign\` on it or on a copy, until ${file.expiresAt}.`,
  ])
}

async function nextRootOf(
  session: Session,
  folder: KeysFolder,
  known: KnownCatalogue,
  role: SigningRole,
  options: { replace?: string; passphraseFile?: string },
  now: number,
): Promise<{ next: string; replaces?: string }> {
  const rootOf = (change: Parameters<typeof signRoot>[1], signers: SigningKey[] = []) =>
    signRoot(known, change, { signers }, now).root ?? failLocally('There is no new root.')
  if (role !== 'release' && role !== 'root')
    return { next: rootOf({ keys: { [role]: await nextKeyOf(await session.site(), role) } }) }
  const secret = await passphrase(session, options.passphraseFile, false)
  if (role === 'release') return { next: rootOf(keyChange(await comingKey(folder, role, role, secret))) }
  const plan = await readPlan(folder)
  const index = indexOfRoot(plan, options.replace)
  const name = rootNames(plan.keys.length)[index] ?? 'root'
  const before = plan.keys[index]?.keyid ?? failLocally(`There is no root key ${name}.`)
  const by = await comingKey(folder, name, 'root', secret)
  return { next: rootOf({ replaceRoot: { keyid: before, by } }, [by]), replaces: name }
}

/** The key that shall come; durable before anybody signs for it. A second try takes the same one. */
async function comingKey(
  folder: KeysFolder,
  name: string,
  role: 'root' | 'release',
  secret: string,
): Promise<SigningKey> {
  const path = folder.nextKeyPath(name)
  if (!existsSync(path)) await writeFileAtomic(path, (await makeKey(role, secret)).text)
  return await openKey(path, role, secret)
}

/** After the site has taken a root with another root key. */
async function putInPlace(folder: KeysFolder, name: string | undefined, keyids: readonly string[]): Promise<void> {
  const plan = await readPlan(folder)
  const index = rootNames(plan.keys.length).indexOf(name ?? 'root')
  const next = await publicHalf(folder.nextKeyPath(name ?? 'root'))
  if (index === -1 || !keyids.includes(next.keyid)) return failLocally(`${folder.path} has not the key that came.`)
  if (plan.keys.length > 1) await writePlan(folder, { ...plan, keys: plan.keys.with(index, next) })
  await folder.replaceKey(name ?? 'root')
}

const write = (path: string, file: RootCeremonyFile): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(file, undefined, 2)}\n`)
