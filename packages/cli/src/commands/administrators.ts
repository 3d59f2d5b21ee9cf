import { open } from 'node:fs/promises'
import { type AdminAnswer, type AdministratorInfo, type ApiTokenInfo, fail, RoleName, roles } from '@sluice/protocol'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Session } from '../run.ts'
import { wholeNumber } from '../terminal/options.ts'
import { table } from '../terminal/text.ts'

const DAY_MS = 24 * 3600_000

export function addAdministratorCommands(program: Command, session: Session): void {
  program
    .command('whoami')
    .description('says as whom this command line comes, and what it may')
    .action(async (): Promise<void> => {
      const me = await (await session.site()).call('me')
      session.out.result(me, () => [
        `${me.name} (${me.kind} ${me.id})`,
        `Roles: ${me.roles.map((role) => roles[role].title).join(', ')}`,
        `Collections: ${me.collections?.join(', ') ?? 'all'}`,
      ])
    })

  const group = program.command('admins').description('administrators, their roles, and tokens for programs')

  group
    .command('roles')
    .description('lists the roles and what each allows')
    .action((): void =>
      session.out.result(roles, () =>
        table(
          ['ROLE', 'TITLE', 'ALLOWS'],
          RoleName.options.map((name) => [name, roles[name].title, roles[name].permissions.join(' ')]),
        ),
      ),
    )

  group
    .command('list', { isDefault: true })
    .description('lists all administrators')
    .action(async (): Promise<void> => showAdministrators(session, await (await session.site()).call('administrators')))
  group
    .command('invite')
    .description('makes an account and prints the link with which its owner sets a password')
    .argument('<name>', 'what he signs in with')
    .requiredOption('--role <role>', 'what he may; several are possible', roleNames, [])
    .option('--collection <collection>', 'where he may; several are possible (default: everywhere)', many, [])
    .action(async (name: string, options: Grant): Promise<void> => {
      const site = await session.site()
      const body = { name, ...(await grantOf(session, options)) }
      showInvitation(session, await site.call('inviteAdministrator', { body }))
    })
  group
    .command('change')
    .description('gives an administrator other roles or collections, shuts him out, or lets him in again')
    .argument('<name>', 'name or id')
    .option('--role <role>', 'instead of the present ones', roleNames, [])
    .option('--collection <collection>', 'instead of the present ones', many, [])
    .option('--everywhere', 'no limit to collections')
    .addOption(new Option('--disabled <on|off>', 'shut out').choices(['on', 'off']))
    .option('--subject <subject>', 'who he is at the provider of sign-on; empty: nobody')
    .action(
      async (
        name: string,
        options: Grant & { everywhere?: true; disabled?: 'on' | 'off'; subject?: string },
      ): Promise<void> => {
        const { role, collection, everywhere, disabled, subject } = options
        const { collections } = await grantOf(session, { role, collection })
        const body = {
          ...(role.length === 0 ? {} : { roles: role }),
          ...(everywhere === true ? { collections: null } : collections === undefined ? {} : { collections }),
          ...(disabled === undefined ? {} : { disabled: disabled === 'on' }),
          ...(subject === undefined ? {} : { signOnSubject: subject === '' ? null : subject }),
        }
        const { id } = await administrator(session, name)
        showAdministrators(session, [await (await session.site()).call('changeAdministrator', { id, body })])
      },
    )
  group
    .command('reset')
    .description('takes password, second factors and sessions away and prints a link for a new password')
    .argument('<name>', 'name or id')
    .action(async (name: string): Promise<void> => {
      const { id } = await administrator(session, name)
      showInvitation(session, await (await session.site()).call('resetAdministrator', { id, body: {} }))
    })

  const tokens = group.command('tokens').description('tokens with which programs use the admin API')
  tokens
    .command('list', { isDefault: true })
    .description('lists all tokens, newest first')
    .action(async (): Promise<void> => showTokens(session, await (await session.site()).call('apiTokens')))
  tokens
    .command('create')
    .description('makes a token; it is shown this once')
    .argument('<name>', 'what it is for')
    .requiredOption('--role <role>', 'what it may; several are possible', roleNames, [])
    .option(
      '--collection <collection>',
      'where it may, by name or id; several are possible (default: everywhere)',
      many,
      [],
    )
    .option('--life <days>', 'how long it holds', wholeNumber(1, 400), 90)
    .option('--out <file>', 'where to write it, readable by you only (default: standard output)')
    .action(async (name: string, options: Grant & { life: number; out?: string }): Promise<void> => {
      // Opened first: a token that could not be written down would be lost.
      const file = options.out === undefined ? undefined : await open(options.out, 'wx', 0o600)
      try {
        const site = await session.site()
        const grant = await grantOf(session, options)
        const { token, info } = await site.call('createApiToken', {
          body: { name, ...grant, lifeMs: options.life * DAY_MS },
        })
        if (file === undefined) return session.out.result({ token, info }, () => [token])
        await file.writeFile(`${token}\n`)
        await file.sync()
        session.out.result({ file: options.out, info }, () => [
          `Wrote ${options.out}: token ${info.id}, good until ${info.expiresAt}.`,
        ])
      } finally {
        await file?.close()
      }
    })
  tokens
    .command('revoke')
    .description('ends a token for good')
    .argument('<token>', 'id, as `sluice admins tokens` lists it')
    .action(
      async (id: string): Promise<void> =>
        showTokens(session, [await (await session.site()).call('revokeApiToken', { id, body: {} })]),
    )
}

export interface Grant {
  role: RoleName[]
  collection: string[]
}

/** As the API takes it. */
export async function grantOf(session: Session, { role, collection }: Grant) {
  const site = await session.site()
  const collections = []
  for (const wanted of collection) collections.push((await site.collection(wanted)).id)
  return { roles: role, ...(collections.length === 0 ? {} : { collections }) }
}

function roleNames(text: string, before: RoleName[]): RoleName[] {
  const role = RoleName.safeParse(text)
  if (!role.success) throw new InvalidArgumentError(`The roles are ${RoleName.options.join(', ')}.`)
  return [...before, role.data]
}

export const many = (text: string, before: string[]): string[] => [...before, text]

async function administrator(session: Session, wanted: string): Promise<AdministratorInfo> {
  const all = await (await session.site()).call('administrators')
  const found = all.find((one) => one.id === wanted || one.name === wanted.toLowerCase())
  return found ?? fail('NOT_FOUND', `There is no administrator ${wanted}.`)
}

const showInvitation = (session: Session, made: AdminAnswer<'inviteAdministrator'>): void =>
  session.out.result(made, () => [
    `Give ${made.administrator.name} this link. It works once, until ${made.expiresAt}:`,
    made.url,
    'Or on a terminal: `sluice login --invited`, which asks for what stands after `code=`.',
  ])

const showAdministrators = (session: Session, all: AdministratorInfo[]): void =>
  session.out.result(all, () =>
    table(
      ['NAME', 'STATE', 'ROLES', 'COLLECTIONS', 'SIGNS IN WITH'],
      all.map((one) => [
        ...[one.name, one.state, one.roles.join(' '), one.collections?.join(' ') ?? 'all'],
        [
          ...(one.password ? [one.totp ? 'password and app' : 'password'] : []),
          ...(one.passkeys > 0 ? [`${one.passkeys} passkey(s)`] : []),
          ...(one.signOnSubject === undefined ? [] : [`sign-on as ${one.signOnSubject}`]),
        ].join(', '),
      ]),
    ),
  )

const showTokens = (session: Session, all: ApiTokenInfo[]): void =>
  session.out.result(all, () =>
    table(
      ['ID', 'NAME', 'ROLES', 'COLLECTIONS', 'UNTIL', 'LAST USED', ''],
      all.map((one) => [
        ...[one.id, one.name, one.roles.join(' '), one.collections?.join(' ') ?? 'all'],
        ...[one.expiresAt ?? 'its file is replaced', one.lastUsedAt ?? 'never'],
        one.revokedAt === undefined ? '' : 'revoked',
      ]),
    ),
  )
