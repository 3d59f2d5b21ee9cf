import { open } from 'node:fs/promises'
import { type DeviceInfo, Sha256 } from '@sluice/protocol'
import { type Command, InvalidArgumentError } from 'commander'
import { failLocally } from '../local-failure.ts'
import { wholeNumber } from '../options.ts'
import type { Session } from '../run.ts'
import { fields, table } from '../text.ts'

const HOUR_MS = 3600_000

export function addDeviceCommands(program: Command, session: Session): void {
  const group = program.command('devices').description('managed computers')

  group
    .command('list', { isDefault: true })
    .description('lists all devices')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const devices = await site.call('devices')
      session.out.result(devices, () =>
        table(
          ['ID', 'STATE', 'NAME', 'OS', 'MODEL', 'LAST SEEN'],
          devices.map((one) => [
            one.id,
            one.state,
            one.facts.hostname,
            one.facts.os.name,
            one.facts.model,
            one.lastSeenAt ?? 'never',
          ]),
        ),
      )
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
    .action(async (options: { out?: string; uses?: number; life?: number }): Promise<void> => {
      // Opened first: a token that could not be written down would be lost.
      const file = options.out === undefined ? undefined : await open(options.out, 'wx', 0o600)
      try {
        const site = await session.site()
        const made = await site.call('createDeviceToken', {
          body: {
            ...(options.uses === undefined ? {} : { uses: options.uses }),
            ...(options.life === undefined ? {} : { lifeMs: options.life * HOUR_MS }),
          },
        })
        if (file === undefined) {
          session.out.result(made, () => JSON.stringify(made.bundle, null, 2).split('\n'))
          return
        }
        await file.writeFile(`${JSON.stringify(made.bundle, null, 2)}\n`)
        await file.sync()
        // The token itself is in the file and nowhere else.
        session.out.result({ id: made.id, file: options.out, expiresAt: made.expiresAt }, () => [
          `Wrote ${options.out}: good for ${options.uses ?? 1} device(s) until ${made.expiresAt} (token ${made.id}).`,
        ])
      } finally {
        await file?.close()
      }
    })
}

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
      ['State', one.state],
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
    ]),
  )

function fingerprint(text: string): Sha256 {
  const parsed = Sha256.safeParse(text.replaceAll(':', '').toLowerCase())
  if (!parsed.success) throw new InvalidArgumentError('Give 64 hexadecimal digits.')
  return parsed.data
}
