/** Whether a sign-in of their user at the organisation's OpenID provider lets computers in. */
import type { EnrolmentSignIn, EnrolmentSignInSet } from '@sluice/protocol'
import { type Command, Option } from 'commander'
import type { Session } from '../run.ts'
import { secretFile as readSecret } from '../terminal/secret-file.ts'
import { fields } from '../terminal/text.ts'

interface Change {
  registration?: EnrolmentSignIn['registration']
  issuer?: string
  client?: string
  secretFile?: string | false
  domains?: string[]
  groups?: string[]
  groupsClaim?: string
  scopes?: string[]
}

export function addSignInCommand(group: Command, session: Session): void {
  group
    .command('sign-in')
    .description('shows or changes how a sign-in of their user lets computers in')
    .addOption(
      new Option('--registration <what>', 'nothing, a place among the pending, or approval').choices([
        ...(['off', 'pending', 'automatic'] as const),
      ]),
    )
    .option('--issuer <url>', 'of the OpenID provider')
    .option('--client <id>', 'of this site at the provider')
    .option('--secret-file <file>', 'client secret; another issuer or client forgets it')
    .option('--no-secret-file', 'there is none')
    .option('--domains <domain...>', 'of verified e-mail addresses; * for everybody, none for no such rule')
    .option('--groups <group...>', 'who signs in must be in one; none for no such rule')
    .option('--groups-claim <name>', 'claim that lists the groups')
    .option('--scopes <scope...>', 'that are asked for, besides openid')
    .action(async (change: Change): Promise<void> => {
      const site = await session.site()
      const present = await site.call('enrolmentSignIn')
      const settings =
        Object.keys(change).length === 0
          ? present
          : await site.call('setEnrolmentSignIn', { body: await changed(present, change) })
      show(session, settings)
    })
}

async function changed({ hasSecret: _, ...present }: EnrolmentSignIn, change: Change): Promise<EnrolmentSignInSet> {
  const { registration, issuer, client, secretFile, domains, groups, groupsClaim, scopes } = change
  const clientSecret = secretFile === undefined ? undefined : secretFile === false ? null : await readSecret(secretFile)
  return {
    ...present,
    ...(registration === undefined ? {} : { registration }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(client === undefined ? {} : { clientId: client }),
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(domains === undefined ? {} : { domains: listed(domains) }),
    ...(groups === undefined ? {} : { groups: listed(groups) }),
    ...(groupsClaim === undefined ? {} : { groupsClaim }),
    ...(scopes === undefined ? {} : { scopes: listed(scopes) }),
  }
}

/** `none` takes a rule away. */
const listed = (words: string[]): string[] => (words.length === 1 && words[0] === 'none' ? [] : words)

const show = (session: Session, one: EnrolmentSignIn): void =>
  session.out.result(one, () =>
    fields([
      ['Registration', one.registration],
      ['Issuer', one.issuer],
      ['Client', one.clientId],
      ['Client secret', one.hasSecret ? 'kept' : 'none'],
      ['Domains', one.domains.join(', ')],
      ['Groups', one.groups.join(', ')],
      ['Claim of groups', one.groupsClaim],
      ['Scopes', one.scopes.join(' ')],
    ]),
  )
