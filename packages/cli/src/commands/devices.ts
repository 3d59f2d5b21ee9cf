import { open } from 'node:fs/promises'
import { type DeviceInfo, type DeviceTokenEntry, Sha256 } from '@sluice/protocol'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Listed, limitOption, listPages, moreLines } from '../connect/pages.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { time, wholeNumber } from '../terminal/options.ts'
import { fields, table } from '../terminal/text.ts'
import { addConflictCommands } from './device-conflicts.ts'
import { addDeviceVariables } from './variables.ts'

const HOUR_MS = 3600_000

/** `seenAfter` and `seenBefore` as the site takes them. */
interface ListOptions {
  state?: string
  name?: string
  collection?: string
  seenAfter?: string
  seenBefore?: string
  limit?: number
}

const stateOf = (one: DeviceInfo): string => (one.blockedAt === undefined ? one.state : 'blocked')

export function addDeviceCommands(program: Command, session: Session): void {
  const group = program.command('devices').alias('device').description('managed computers')

  group
    .command('list', { isDefault: true })
    .description('lists devices, in the order in which they came')
    .addOption(
      new Option('--state <state>', 'only those').choices([
        ...(['pending', 'approved', 'revoked', 'blocked'] as const),
      ]),
    )
    .option('--name <part>', 'only whose host name has this in it')
    .option('--collection <collection>', 'only its members; name or id')
    .option('--seen-after <time>', 'only who asked for policy since then', time)
    .option('--seen-before <time>', 'only who was not seen since then, or never', time)
    .addOption(limitOption())
    .action(async (options: ListOptions): Promise<void> => {
      const { limit, collection, ...filters } = options
      const site = await session.site()
      const query = {
        ...filters,
        ...(collection === undefined ? {} : { collection: (await site.collection(collection)).id }),
      }
      const listed = await listPages(site, session.out, 'devices', { query, limit })
      session.out.result(listed.items, () => [
        ...table(
          ['ID', 'STATE', 'NAME', 'OS', 'MODEL', 'LAST SEEN'],
          listed.items.map((one) => [
            ...[one.id, stateOf(one), one.facts.hostname, one.facts.os.name],
            ...[one.facts.model, one.lastSeenAt ?? 'never'],
          ]),
        ),
        ...moreLines(listed),
      ])
    })

  group
    .command('show')
    .description('shows a device')
    .argument('<device>', 'host name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      for (const device of await site.devices([wanted])) showDevice(session, device)
    })

  group
    .command('approve')
    .description('lets a pending device in; compare its fingerprint with the one on the device first')
    .argument('<device>', 'host name or id')
    .option('--fingerprint <sha256>', 'as the device shows it', fingerprint)
    .action(async (wanted: string, options: { fingerprint?: Sha256 }): Promise<void> => {
      const site = await session.site()
      for (const device of await site.devices([wanted])) {
        const compared = options.fingerprint ?? (await askForFingerprint(session, device))
        showDevice(session, await site.call('approveDevice', { id: device.id, body: { fingerprint: compared } }))
      }
    })

  group
    .command('revoke')
    .description('shuts a device out: no policy, no content, also in the middle of a run')
    .argument('<device>', 'host name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      for (const { id } of await site.devices([wanted]))
        showDevice(session, await site.call('revokeDevice', { id, body: {} }))
    })

  group
    .command('delete')
    .description('forgets a device that waits for approval')
    .argument('<device>', 'host name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      for (const { id } of await site.devices([wanted])) {
        await site.call('deleteDevice', { id })
        session.out.result({ deleted: id }, () => [`Deleted ${id}.`])
      }
    })

  addDeviceVariables(group, session)

  addConflictCommands(group, session)

  group
    .command('tokens')
    .description('lists the tokens that let devices enrol, newest first')
    .addOption(limitOption())
    .action(async ({ limit }: { limit?: number }): Promise<void> => {
      const site = await session.site()
      showTokens(session, await listPages(site, session.out, 'deviceTokens', { limit }))
    })

  group
    .command('block')
    .description('blocks a token for good; devices that it let in stay')
    .argument('<token>', 'id, as `sluice devices tokens` lists it')
    .action(async (id: string): Promise<void> => {
      const site = await session.site()
      showTokens(session, { items: [await site.call('blockDeviceToken', { id, body: {} })], more: 0 })
    })

  group
    .command('sync')
    .description('has a device ask for its policy now')
    .argument('<device>', 'host name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      for (const { id, facts } of await site.devices([wanted])) {
        const answer = await site.call('syncDevice', { id, body: {} })
        session.out.result(answer, () => [
          answer.gatewaysTold === 0
            ? `No gateway is linked now; ${facts.hostname} asks by itself at its next poll.`
            : `Told ${answer.gatewaysTold} gateway(s); ${facts.hostname} asks at once if it is connected to one of them.`,
        ])
      }
    })

  group
    .command('token')
    .description('makes a file that lets devices enrol')
    .option('--out <file>', 'where to write it, readable by you only (default: standard output)')
    .option('--uses <count>', 'how many devices may use it', wholeNumber(1, 100_000))
    .option('--life <hours>', 'how long it holds, at most 168', wholeNumber(1, 168))
    .addOption(
      new Option('--no-token', 'without a token: devices wait until you approve them').conflicts(['uses', 'life']),
    )
    .action(async (options: { out?: string; uses?: number; life?: number; token: boolean }): Promise<void> => {
      // Opened first: a token that could not be written down would be lost.
      const file = options.out === undefined ? undefined : await open(options.out, 'wx', 0o600)
      try {
        const site = await session.site()
        const made = options.token
          ? await site.call('createDeviceToken', {
              body: {
                ...(options.uses === undefined ? {} : { uses: options.uses }),
                ...(options.life === undefined ? {} : { lifeMs: options.life * HOUR_MS }),
              },
            })
          : { id: undefined, expiresAt: undefined, bundle: await site.call('enrolmentBundle') }
        if (file === undefined) {
          session.out.result(made, () => JSON.stringify(made.bundle, null, 2).split('\n'))
          return
        }
        await file.writeFile(`${JSON.stringify(made.bundle, null, 2)}\n`)
        await file.sync()
        // The token itself is in the file and nowhere else.
        session.out.result({ id: made.id, file: options.out, expiresAt: made.expiresAt }, () => [
          options.token
            ? `Wrote ${options.out}: good for ${options.uses ?? 1} device(s) until ${made.expiresAt} (token ${made.id}).`
            : `Wrote ${options.out}: whoever enrols with it waits for your approval.`,
        ])
      } finally {
        await file?.close()
      }
    })
}

const showTokens = (session: Session, tokens: Listed<DeviceTokenEntry>): void =>
  session.out.result(tokens.items, () => [
    ...table(
      ['ID', 'STATE', 'LEFT', 'MADE', 'UNTIL', 'DEVICES'],
      tokens.items.map((one) => [
        one.id,
        one.state,
        `${one.uses - one.used} of ${one.uses}`,
        one.createdAt,
        one.expiresAt,
        one.devices
          .slice(0, 3)
          .map(({ deviceId }) => deviceId)
          .join(' ') + (one.used > 3 ? ' …' : ''),
      ]),
    ),
    ...moreLines(tokens),
  ])

async function askForFingerprint(session: Session, device: DeviceInfo): Promise<Sha256> {
  const shown = `${device.facts.hostname} (${device.id}) has the fingerprint ${device.fingerprint}.`
  if (session.ask === undefined)
    return failLocally(`${shown} Compare it with the device, then give it with --fingerprint.`)
  session.out.note(shown)
  const answer = await session.ask('Does the device show the same? (yes/no) ', session.signal)
  if (answer.trim().toLowerCase() !== 'yes') failLocally('The device was not approved.')
  return device.fingerprint
}

const showDevice = (session: Session, one: DeviceInfo): void =>
  session.out.result(one, () =>
    fields([
      ['Device', one.id],
      [
        'State',
        one.blockedAt === undefined ? one.state : `blocked since ${one.blockedAt}: two computers use its identity`,
      ],
      ['Name', one.facts.hostname],
      ['Operating system', one.facts.os.name],
      ['Manufacturer', one.facts.manufacturer],
      ['Model', one.facts.model],
      ['Serial number', one.facts.serialNumber],
      ['Agent', one.agent.version],
      ['Fingerprint', one.fingerprint],
      ['Enrolled', one.enrolledAt],
      ['Last seen', one.lastSeenAt ?? 'never'],
      ['Last gateway', one.lastGatewayId],
      ['Signed in', one.user && `${one.user.email ?? one.user.name ?? one.user.subject} at ${one.user.at}`],
    ]),
  )

function fingerprint(text: string): Sha256 {
  const parsed = Sha256.safeParse(text.replaceAll(':', '').toLowerCase())
  if (!parsed.success) throw new InvalidArgumentError('Give 64 hexadecimal digits.')
  return parsed.data
}
