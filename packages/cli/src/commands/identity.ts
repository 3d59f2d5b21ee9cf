/** The organisation's own PKI: its authorities, their revocation lists, and what a certificate of it is worth. */
import { MAX_CRL_BYTES, type OrganisationAuthority, type OrganisationSettings } from '@sluice/protocol'
import { type Command, Option } from 'commander'
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'
import type { Session } from '../run.ts'
import { switchOption } from '../terminal/options.ts'
import { fields, onOff, table } from '../terminal/text.ts'
import { addSignInCommand } from './identity-sign-in.ts'

interface Change {
  registration?: OrganisationSettings['registration']
  checkCrl?: boolean
  names?: string[]
}

export function addIdentityCommands(program: Command, session: Session): void {
  const group = program
    .command('identity')
    .description("computers that come with a certificate of the organisation's PKI, or by a sign-in of their user")

  group
    .command('settings', { isDefault: true })
    .description('shows or changes what such a certificate is worth')
    .addOption(
      new Option('--registration <what>', 'nothing, a place among the pending, or approval').choices([
        ...(['off', 'pending', 'automatic'] as const),
      ]),
    )
    .addOption(switchOption('--check-crl', 'revocation lists must be there and up to date'))
    .option('--names <pattern...>', 'names that stand for devices, as in *.example.com')
    .action(async (change: Change): Promise<void> => {
      const site = await session.site()
      const present = await site.call('organisationSettings')
      const settings =
        Object.keys(change).length === 0
          ? present
          : await site.call('setOrganisationSettings', { body: { ...present, ...change } })
      session.out.result(settings, () =>
        fields([
          ['Registration', settings.registration],
          ['Check revocation lists', onOff(settings.checkCrl)],
          ['Names', settings.names.join(', ')],
        ]),
      )
    })

  addSignInCommand(group, session)

  const authorities = group.command('authorities').description('roots and intermediate authorities that are trusted')
  authorities
    .command('list', { isDefault: true })
    .description('lists them, with their revocation lists')
    .action(async (): Promise<void> => {
      const site = await session.site()
      show(session, await site.call('organisationAuthorities'))
    })
  authorities
    .command('add')
    .description('trusts an authority; a root first, then those below it')
    .argument('<pem>', 'file with its certificate')
    .option('--crl-url <url>', 'where its revocation list is fetched, every hour')
    .action(async (file: string, { crlUrl }: { crlUrl?: string }): Promise<void> => {
      const certificate = (await readLocalFile(file, 40_000)).toString('utf8')
      const site = await session.site()
      const body = { certificate, ...(crlUrl === undefined ? {} : { crlUrl }) }
      show(session, [await site.call('addOrganisationAuthority', { body })])
    })
  authorities
    .command('remove')
    .description('trusts it no longer; devices that registered by it cannot renew')
    .argument('<authority>', 'id, or its beginning')
    .action(async (wanted: string): Promise<void> => {
      const { id } = await find(session, wanted)
      const site = await session.site()
      await site.call('removeOrganisationAuthority', { id })
      session.out.result({ removed: id }, () => [`Removed ${id}.`])
    })
  authorities
    .command('crl')
    .description('hands over a revocation list')
    .argument('<authority>', 'id, or its beginning')
    .argument('<file>', 'DER or PEM')
    .action(async (wanted: string, file: string): Promise<void> => {
      const { id } = await find(session, wanted)
      const crl = (await readLocalFile(file, MAX_CRL_BYTES)).toString('base64')
      const site = await session.site()
      show(session, [await site.call('setOrganisationCrl', { id, body: { crl } })])
    })
}

async function find(session: Session, wanted: string): Promise<OrganisationAuthority> {
  const site = await session.site()
  const found = (await site.call('organisationAuthorities')).filter(({ id }) => id.startsWith(wanted))
  const [one] = found
  if (one === undefined || found.length > 1) return failLocally(`${found.length} authorities begin with ${wanted}.`)
  return one
}

const show = (session: Session, authorities: OrganisationAuthority[]): void =>
  session.out.result(authorities, () =>
    table(
      ['ID', 'KIND', 'UNTIL', 'REVOCATION LIST', 'SUBJECT'],
      authorities.map((one) => [
        one.id.slice(0, 16),
        one.root ? 'root' : 'intermediate',
        one.expiresAt,
        crlText(one),
        one.subject,
      ]),
    ),
  )

function crlText({ crl, crlFault }: OrganisationAuthority): string {
  const present = crl === undefined ? 'none' : `${crl.expired ? 'out of date since' : 'until'} ${crl.nextUpdate}`
  return crlFault === undefined ? present : `${present} (${crlFault})`
}
