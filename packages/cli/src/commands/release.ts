import type { ReleaseEntry } from '@sluice/protocol'
import { type Command, InvalidArgumentError } from 'commander'
import { confirm } from '../keys/confirm.ts'
import { type CheckedDraft, checkDraft } from '../keys/draft-check.ts'
import { openKey } from '../keys/key-file.ts'
import { openKeysFolder } from '../keys/keys-folder.ts'
import { knownCatalogue } from '../keys/known-catalogue.ts'
import { passphrase } from '../keys/passphrase.ts'
import { handOver, releasedNames, seriesOf, signReleases } from '../keys/signing.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { table } from '../terminal/text.ts'
import { addKeysOptions } from './keys-options.ts'

interface SignOptions {
  keys: string
  passphraseFile?: string
  releaseKey?: string
  withdraw?: string[]
  keepOlder?: boolean
  yes?: boolean
}

export function addReleaseCommands(program: Command, session: Session): void {
  const group = program.command('release').description('what devices may run: signed by the release key')

  group
    .command('list', { isDefault: true })
    .description('lists what waits for the release key, and what is released')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const entries = await site.call('releases')
      session.out.result(entries, () =>
        table(
          ['NAME', 'STATE', 'SINCE', 'BYTES', 'TITLE'],
          entries.map(({ name, state, since, lengthBytes, title }) => [
            name,
            state === 'released' ? 'released' : 'waiting for release',
            since,
            lengthBytes,
            title,
          ]),
        ),
      )
    })

  addKeysOptions(
    group
      .command('sign')
      .description('checks what waits against your own files, shows what changes, and signs it')
      .argument('[item=path...]', 'package id and folder, or sequence (id or name) and file', itemAndPath),
  )
    .option('--release-key <file>', 'the release key, when it is not in the folder')
    .option('--withdraw <name...>', 'names that shall not run any more')
    .option('--keep-older', 'older versions of what is released stay released too')
    .action(async (items: Map<string, string> | [], options: SignOptions): Promise<void> => {
      const site = await session.site()
      const folder = await openKeysFolder(options.keys)
      const known = await knownCatalogue(site, folder)
      const entries = await site.call('releases')
      const checked: CheckedDraft[] = []
      for (const [item, path] of items) {
        const draft = waitingFor(entries, item)
        const one = await checkDraft(site, folder, draft, path, session.signal)
        session.out.note(one.diff === '' ? `${one.name}: as released before.` : `${one.name}: ${one.title}`)
        for (const line of one.diff.split('\n').slice(0, 2_000)) session.out.note(line)
        checked.push(one)
      }
      // A restored site has lost what came after its backup: that is not released any more.
      const has = new Set(entries.map(({ name }) => name))
      const lost = [...releasedNames(known).keys()].filter((name) => !has.has(name))
      for (const name of lost) session.out.note(`The site does not have ${name} any more: it is withdrawn.`)
      const withdraw = [...(options.withdraw ?? []), ...lost]
      const unknown = withdraw.filter((name) => !releasedNames(known).has(name))
      if (unknown.length > 0) failLocally(`Not released: ${unknown.join(', ')}.`)

      await confirm(session, options, `Release ${checked.length}, withdraw ${withdraw.length}`)
      const secret = await passphrase(session, options.passphraseFile, false)
      const key = await openKey(options.releaseKey ?? folder.keyPath('release'), 'release', secret)
      const release = new Map(checked.map(({ name, target }) => [name, target]))
      const change = { release, withdraw, keepOlder: options.keepOlder === true }
      const signed = signReleases(known, key, change, Date.now())
      await handOver(site, folder, known, signed)
      for (const { name, listing } of checked) await folder.keepListing(seriesOf(name), listing)
      const names = checked.map(({ name }) => name)
      session.out.result({ released: names, withdrawn: withdraw }, () => [
        ...names.map((name) => `Released ${name}.`),
        ...withdraw.map((name) => `Withdrew ${name}.`),
        ...(names.length + withdraw.length > 0 ? [] : ['Nothing new; what would expire soon is signed again.']),
      ])
    })
}

function waitingFor(entries: readonly ReleaseEntry[], item: string): ReleaseEntry {
  const waiting = entries.filter(({ state }) => state === 'waitingForRelease')
  const found = waiting.filter(({ name, title }) => name === item || name.split('/')[1] === item || title === item)
  const [first] = found
  if (first === undefined) return failLocally(`Nothing of ${item} waits for release.`)
  if (found.length > 1) failLocally(`Several have the name ${item}: ${found.map(({ name }) => name).join(', ')}.`)
  return first
}

function itemAndPath(text: string, before: Map<string, string> | undefined): Map<string, string> {
  const split = text.indexOf('=')
  if (split < 1 || split === text.length - 1) throw new InvalidArgumentError('Give item=path.')
  const known = before instanceof Map ? before : new Map<string, string>()
  return known.set(text.slice(0, split), text.slice(split + 1))
}
