import { existsSync } from 'node:fs'
import { writeFileAtomic } from '@sluice/content'
import { type CatalogueInfo, OfflineRole, SigningRole } from '@sluice/protocol'
import { Argument, type Command } from 'commander'
import { confirm } from '../keys/confirm.ts'
import { makeKey, openKey, publicHalf, type SigningKey } from '../keys/key-file.ts'
import { type KeysFolder, openKeysFolder } from '../keys/keys-folder.ts'
import { knownCatalogue } from '../keys/known-catalogue.ts'
import { passphrase } from '../keys/passphrase.ts'
import { readRoot } from '../keys/signed-metadata.ts'
import { handOver, keyChange, nextKeyOf, releasedNames, signRoot } from '../keys/signing.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { table } from '../text.ts'

interface KeysOptions {
  keys: string
  passphraseFile?: string
  rootKey?: string
  yes?: boolean
}

/** `--keys` and what opens them, for a command that signs. */
export function addKeysOptions(command: Command): Command {
  return command
    .requiredOption('--keys <folder>', 'folder with the keys, made by `sluice keys init`')
    .option('--passphrase-file <file>', 'file with the passphrase (default: it is asked for)')
    .option('--yes', 'do not ask')
}

export function addKeysCommands(program: Command, session: Session): void {
  const group = program.command('keys').description('the keys that decide what devices run')

  group
    .command('init')
    .description('makes a root key and a release key on this machine, encrypted; needs no site')
    .argument('<folder>')
    .option('--passphrase-file <file>', 'file with the passphrase (default: it is asked for)')
    .action(async (path: string, options: { passphraseFile?: string }): Promise<void> => {
      const folder = await openKeysFolder(path)
      for (const role of OfflineRole.options)
        if (existsSync(folder.keyPath(role))) failLocally(`${folder.keyPath(role)} is there already.`)
      const secret = await passphrase(session, options.passphraseFile, true)
      const made: SigningKey[] = []
      for (const role of OfflineRole.options) {
        const { key, text } = await makeKey(role, secret)
        await writeFileAtomic(folder.keyPath(role), text)
        made.push(key)
      }
      showKeys(session, made)
    })

  group
    .command('export')
    .description('prints the public halves of the keys: what may be shown, compared and kept anywhere')
    .argument('<folder>')
    .action(async (path: string): Promise<void> => {
      const folder = await openKeysFolder(path)
      const present = OfflineRole.options.map((role) => folder.keyPath(role)).filter((file) => existsSync(file))
      showKeys(session, await Promise.all(present.map(publicHalf)))
    })

  addKeysOptions(
    group
      .command('move')
      .description('takes a site from online to offline mode: root and release keys are on this machine from then on'),
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
    const root = await openKey(folder.keyPath('root'), 'root', secret)
    const release = await openKey(folder.keyPath('release'), 'release', secret)
    const change = { mode: 'offline', ...keyChange(root, release) } as const
    const signed = signRoot(known, change, { signers: [root], release }, Date.now())
    showCatalogue(session, await handOver(site, folder, known, signed))
  })

  addKeysOptions(
    group
      .command('rotate')
      .description('puts a new key in the place of one; devices follow by themselves')
      .addArgument(new Argument('<key>', 'which one').choices(SigningRole.options)),
  )
    .option('--root-key <file>', 'the root key, when it is not in the folder')
    .action(async (role: SigningRole, options: KeysOptions): Promise<void> => {
      const site = await session.site()
      if ((await site.call('catalogue')).mode === 'online') {
        await confirm(session, options, `The site makes a new ${role} key and drops the old one`)
        return showCatalogue(session, await site.call('rotateKey', { id: role }))
      }
      const folder = await openKeysFolder(options.keys)
      await confirm(session, options, `A new ${role} key takes the place of the old one`)
      const secret = await passphrase(session, options.passphraseFile, false)
      const root = await openKey(options.rootKey ?? folder.keyPath('root'), 'root', secret)
      showCatalogue(session, await rotateOffline(session, folder, role, root, secret))
    })

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
  root: SigningKey,
  secret: string,
): Promise<CatalogueInfo> {
  const site = await session.site()
  const known = await knownCatalogue(site, folder)
  const now = Date.now()
  if (role !== 'root' && role !== 'release') {
    const keys = { [role]: await nextKeyOf(site, role) }
    return await handOver(site, folder, known, signRoot(known, { keys }, { signers: [root] }, now))
  }
  // The new key is durable before anybody trusts it; a second try takes the same one.
  const path = folder.nextKeyPath(role)
  if (!existsSync(path)) await writeFileAtomic(path, (await makeKey(role, secret)).text)
  const next = await openKey(path, role, secret)
  const signers = role === 'root' ? [root, next] : [root]
  const signed = signRoot(known, keyChange(next), { signers, release: role === 'release' ? next : undefined }, now)
  const info = await handOver(site, folder, known, signed)
  await folder.replaceKey(role)
  return info
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

function showCatalogue(session: Session, info: CatalogueInfo): void {
  session.out.result(info, () => [
    info.mode === 'online'
      ? 'Online mode: the root and release keys are on the site. Whoever controls the site decides what devices run.'
      : 'Offline mode: root and release keys are not on the site.',
    ...(info.waiting === 0 ? [] : [`Waiting for release: ${info.waiting}. See \`sluice release list\`.`]),
    '',
    ...table(
      ['KEY', 'WHERE', 'ID'],
      info.keys.map(({ role, onSite, keyid }) => [role, onSite ? 'on the site' : 'elsewhere', keyid]),
    ),
    '',
    ...table(
      ['SIGNED', 'VERSION', 'EXPIRES'],
      info.signatures.map(({ role, version, expiresAt, warningDays }) => [
        role,
        version,
        warningDays === undefined ? expiresAt : `${expiresAt}: within ${warningDays} days, ${remedy(role)}`,
      ]),
    ),
  ])
}

const remedy = (role: string): string =>
  role === 'root' ? 'run `sluice keys rotate root`' : 'run `sluice release sign`'
