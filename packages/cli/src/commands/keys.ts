import { existsSync } from 'node:fs'
import { writeFileAtomic } from '@sluice/content'
import { type CatalogueInfo, MAX_ROOT_KEYS, SigningRole } from '@sluice/protocol'
import { Argument, type Command } from 'commander'
import { confirm } from '../keys/confirm.ts'
import { makeKey, openKey, publicHalf, type SigningKey, sealAnew } from '../keys/key-file.ts'
import { type KeysFolder, openKeysFolder } from '../keys/keys-folder.ts'
import { type KnownCatalogue, knownCatalogue } from '../keys/known-catalogue.ts'
import { passphrase } from '../keys/passphrase.ts'
import { indexOfRoot, openRootKeys, type RootKeyOptions, readPlan, rootNames, writePlan } from '../keys/root-keys.ts'
import { readRoot, rootRole } from '../keys/signed-metadata.ts'
import { handOver, keyChange, nextKeyOf, releasedNames, signRoot } from '../keys/signing.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { wholeNumber } from '../terminal/options.ts'
import { table } from '../terminal/text.ts'
import { addCeremonyCommands, proposeRoot } from './keys-ceremony.ts'
import { addKeysOptions } from './keys-options.ts'
import { showCatalogue } from './keys-view.ts'

interface KeysOptions extends RootKeyOptions {
  keys: string
  passphraseFile?: string
  replace?: string
  propose?: string
  days?: number
  yes?: boolean
}
interface InitOptions {
  passphraseFile?: string
  rootKeys: number
  threshold?: number
}
interface ExportOptions {
  holder?: number
  to?: string
  passphraseFile?: string
  newPassphraseFile?: string
}

/** Root keys that are not in the folder, of one holder or several. */
const rootKeyOptions = (command: Command): Command =>
  command
    .option('--root-key <file>', 'a root key that is not in the folder; again for each holder who signs', collect)
    .option('--root-passphrase-file <file>', 'its passphrase, in the same order (default: that of the folder)', collect)

const collect = (file: string, before: string[] = []): string[] => [...before, file]

export function addKeysCommands(program: Command, session: Session): void {
  const group = program.command('keys').description('the keys that decide what devices run')

  group
    .command('init')
    .description('makes root keys and a release key on this machine, encrypted; needs no site')
    .argument('<folder>')
    .option('--passphrase-file <file>', 'file with the passphrase (default: it is asked for)')
    .option('--root-keys <number>', 'how many holders have a root key', wholeNumber(1, MAX_ROOT_KEYS), 1)
    .option(
      '--threshold <number>',
      'how many of them must sign (default: more than half)',
      wholeNumber(1, MAX_ROOT_KEYS),
    )
    .action(async (path: string, options: InitOptions): Promise<void> => {
      const { rootKeys: count, threshold = Math.floor(count / 2) + 1 } = options
      if (threshold > count) failLocally(`${threshold} of ${count} root keys cannot sign.`)
      const folder = await openKeysFolder(path)
      const taken = [...new Set(['root', ...rootNames(count), 'release'])].find((name) =>
        existsSync(folder.keyPath(name)),
      )
      if (taken !== undefined) failLocally(`${folder.keyPath(taken)} is there already.`)
      const secret = await passphrase(session, options.passphraseFile, true)
      const made: SigningKey[] = []
      for (const name of [...rootNames(count), 'release']) {
        const { key, text } = await makeKey(name === 'release' ? 'release' : 'root', secret)
        await writeFileAtomic(folder.keyPath(name), text)
        made.push(key)
      }
      if (count > 1) await writePlan(folder, { threshold, keys: made.filter(({ role }) => role === 'root') })
      showKeys(session, made)
    })

  group
    .command('export')
    .description('prints the public halves of the keys, which may be kept anywhere; or hands a root key to its holder')
    .argument('<folder>')
    .option('--holder <number>', 'whose root key is taken out of the folder', wholeNumber(1, MAX_ROOT_KEYS))
    .option('--to <file>', 'where it is put, under a passphrase of the holder')
    .option('--passphrase-file <file>', 'file with the passphrase of the folder (default: it is asked for)')
    .option('--new-passphrase-file <file>', 'file with that of the holder (default: it is asked for)')
    .action(async (path: string, options: ExportOptions): Promise<void> => {
      const folder = await openKeysFolder(path)
      if (options.holder !== undefined || options.to !== undefined) return await handToHolder(session, folder, options)
      const { keys } = existsSync(folder.keyPath('root')) ? { keys: [] } : await readPlan(folder)
      const names = [...(keys.length > 1 ? rootNames(keys.length) : ['root']), 'release']
      const present = names.map((name) => folder.keyPath(name)).filter((file) => existsSync(file))
      showKeys(session, await Promise.all(present.map(publicHalf)))
    })

  rootKeyOptions(
    addKeysOptions(
      group
        .command('move')
        .description(
          'takes a site from online to offline mode: root and release keys are on this machine from then on',
        ),
    ),
  ).action(async (options: KeysOptions): Promise<void> => {
    const site = await session.site()
    const folder = await openKeysFolder(options.keys)
    const info = await site.call('catalogue')
    if (info.mode === 'offline') failLocally('The site is in offline mode already.')
    const first = readRoot((await site.call('catalogueFile', { id: '1.root.json' })).text)
    const known = await knownCatalogue(site, folder, first)
    const names = [...releasedNames(known).keys()]
    session.out.note(`Site ${info.siteId}: ${names.length} names are released and stay so.`)
    for (const name of names) session.out.note(`  ${name}`)
    await confirm(session, options, 'From now on nothing is released without these keys; the site deletes its own')
    const secret = await passphrase(session, options.passphraseFile, false)
    const plan = await readPlan(folder, options.rootKey?.[0])
    const needed = { keyids: plan.keys.map(({ keyid }) => keyid), threshold: plan.threshold }
    const signers = await openRootKeys(session, folder, options, secret, needed)
    const release = await openKey(folder.keyPath('release'), 'release', secret)
    const change = { mode: 'offline', roots: plan, ...keyChange(release) } as const
    const signed = signRoot(known, change, { signers, release }, Date.now())
    showCatalogue(session, await handOver(site, folder, known, signed))
  })

  rootKeyOptions(
    addKeysOptions(
      group
        .command('rotate')
        .description('puts a new key in the place of one; devices follow by themselves')
        .addArgument(new Argument('<key>', 'which one').choices(SigningRole.options)),
    ),
  )
    .option('--replace <name>', 'of several root keys the one that goes, as in root-2')
    .option('--propose <file>', 'sign nothing: write the new root into a file that holders sign, each at his place')
    .option('--days <number>', 'how long they may take', wholeNumber(1, 90), 14)
    .action(async (role: SigningRole, options: KeysOptions): Promise<void> => {
      const site = await session.site()
      if ((await site.call('catalogue')).mode === 'online') {
        await confirm(session, options, `The site makes a new ${role} key and drops the old one`)
        return showCatalogue(session, await site.call('rotateKey', { id: role }))
      }
      const folder = await openKeysFolder(options.keys)
      if (options.propose !== undefined) return await proposeRoot(session, folder, role, options, options.propose)
      await confirm(session, options, `A new ${role} key takes the place of the old one`)
      const secret = await passphrase(session, options.passphraseFile, false)
      showCatalogue(session, await rotateOffline(session, folder, role, options, secret))
    })

  addCeremonyCommands(group, session)

  group
    .command('status', { isDefault: true })
    .description('shows the keys of the site, where they are, and what expires')
    .action(async (): Promise<void> => {
      const site = await session.site()
      showCatalogue(session, await site.call('catalogue'))
    })
}

async function rotateOffline(
  session: Session,
  folder: KeysFolder,
  role: SigningRole,
  options: KeysOptions,
  secret: string,
): Promise<CatalogueInfo> {
  const site = await session.site()
  const known = await knownCatalogue(site, folder)
  if (role === 'root') return await rotateRoot(session, folder, known, options, secret)
  const now = Date.now()
  const signers = await openRootKeys(session, folder, options, secret, rootRole(known.root))
  if (role !== 'release') {
    const keys = { [role]: await nextKeyOf(site, role) }
    return await handOver(site, folder, known, signRoot(known, { keys }, { signers }, now))
  }
  // The new key is durable before anybody trusts it; a second try takes the same one.
  const path = folder.nextKeyPath(role)
  if (!existsSync(path)) await writeFileAtomic(path, (await makeKey(role, secret)).text)
  const next = await openKey(path, role, secret)
  const signed = signRoot(known, keyChange(next), { signers, release: next }, now)
  const info = await handOver(site, folder, known, signed)
  await folder.replaceKey(role)
  return info
}

/** A new root key in the place of one; enough of the old ones and of the new ones sign. */
async function rotateRoot(
  session: Session,
  folder: KeysFolder,
  known: KnownCatalogue,
  options: KeysOptions,
  secret: string,
): Promise<CatalogueInfo> {
  const site = await session.site()
  const plan = await readPlan(folder, options.rootKey?.[0])
  const index = indexOfRoot(plan, options.replace)
  const name = rootNames(plan.keys.length)[index] ?? 'root'
  const before = plan.keys[index]
  if (before === undefined) throw new Error('the plan has this key')
  // The new key is durable before anybody trusts it; a second try takes the same one.
  const path = folder.nextKeyPath(name)
  if (!existsSync(path)) await writeFileAtomic(path, (await makeKey('root', secret)).text)
  const next = await openKey(path, 'root', secret)
  const role = rootRole(known.root)
  // A try that broke off after the site had taken it only has its own files to put in order.
  const info = role.keyids.includes(next.keyid)
    ? await site.call('catalogue')
    : await handOver(
        site,
        folder,
        known,
        signRoot(
          known,
          { replaceRoot: { keyid: before.keyid, by: next } },
          { signers: [next, ...(await openRootKeys(session, folder, options, secret, role, before.keyid))] },
          Date.now(),
        ),
      )
  if (plan.keys.length > 1) await writePlan(folder, { ...plan, keys: plan.keys.with(index, next) })
  await folder.replaceKey(name)
  return info
}

/** Puts a holder's key under his own passphrase where he wants it, and takes it out of the folder. */
async function handToHolder(session: Session, folder: KeysFolder, options: ExportOptions): Promise<void> {
  const { holder, to } = options
  if (holder === undefined || to === undefined) return failLocally('Give both --holder and --to.')
  const plan = await readPlan(folder)
  const name = rootNames(plan.keys.length)[holder - 1]
  if (plan.keys.length === 1 || name === undefined) return failLocally(`There is no root key of holder ${holder}.`)
  if (existsSync(to)) failLocally(`${to} is there already.`)
  const secret = await passphrase(session, options.passphraseFile, false)
  const own = await passphrase(session, options.newPassphraseFile, true)
  await writeFileAtomic(to, await sealAnew(folder.keyPath(name), 'root', secret, own))
  const key = await publicHalf(to)
  await folder.dropKey(name)
  session.out.result({ ...key, file: to }, () => [
    `${to} holds ${name} (${key.keyid}); it is not in ${folder.path} any more.`,
  ])
}

function showKeys(session: Session, keys: readonly { role: string; keyid: string; publicKey: string }[]): void {
  const shown = keys.map(({ role, keyid, publicKey }) => ({ role, keyid, publicKey }))
  session.out.result(shown, () =>
    table(
      ['KEY', 'ID', 'PUBLIC'],
      shown.map(({ role, keyid, publicKey }) => [role, keyid, publicKey]),
    ),
  )
}
