import type { GatewayConnection, GatewayInfo, GatewayJoinOffer } from '@sluice/protocol'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Site } from '../connect/site.ts'
import { runGatewayProgram } from '../gateway-process.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { secretFile } from '../terminal/secret-file.ts'
import { fields, formatBytes, table } from '../terminal/text.ts'
import { addGatewayCheck } from './gateway-check.ts'

interface Addresses {
  url?: string
  deviceUrl?: string
  enrolmentUrl?: string
  link?: string
}
interface SetOptions extends Addresses {
  content?: string
}
interface AddOptions extends SetOptions {
  kind: 'internet' | 'internal'
}

interface ThresholdOptions {
  outbound?: number | null
  warning: number
  critical: number
  stop?: true
  storage?: number | null
}

export function addGatewayCommands(program: Command, session: Session): void {
  const group = program.command('gateways').alias('gateway').description('what devices on the internet talk to')

  group
    .command('list', { isDefault: true })
    .description('lists all gateways')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const gateways = await site.call('gateways')
      session.out.result(gateways, () =>
        table(
          ['ID', 'KIND', 'LINK', 'CONTENT', 'SERVED', 'CERTIFICATE', 'ADDRESS', 'NAME'],
          gateways.map((one) => [
            one.id,
            one.kind,
            one.link.state,
            contentOf(one),
            formatBytes(one.packBytesServed + one.pageBytesServed),
            certificateEnd(one),
            one.deviceUrl,
            one.name,
          ]),
        ),
      )
    })

  group
    .command('status')
    .description('shows the connections of the site to its gateways: how far away they are, and what went over them')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const gateways = await site.call('gateways')
      session.out.result(gateways, () => [
        ...table(
          ['GATEWAY', 'CONNECTION', 'STATE', 'SINCE', 'LATENCY', 'REQUESTS', 'SENT', 'RECEIVED', 'DIALS'],
          gateways.flatMap(({ name, connections }) => connections.map((one) => [name, ...connectionRow(one)])),
        ),
        ...gateways.flatMap(({ name, link }) =>
          link.state === 'down' && link.problem !== undefined ? [`${name}: ${link.problem.detail}`] : [],
        ),
      ])
    })

  addGatewayCheck(group, session)

  addressOptions(group.command('add'))
    .description('names a new gateway, and prints the code with which it joins')
    .argument('<name>')
    .addOption(
      new Option('--kind <kind>', 'where its devices are').choices(['internet', 'internal']).default('internet'),
    )
    .option('--content <off|folder|point>', contentSetting)
    .action(async (name: string, options: AddOptions): Promise<void> => {
      const site = await session.site()
      const { deviceUrl, enrolmentUrl, linkAddress } = addressesOf(options)
      if (deviceUrl === undefined || enrolmentUrl === undefined || linkAddress === undefined)
        return failLocally('Give --url, or --device-url, --enrolment-url and --link.')
      const content = await contentPlace(site, options)
      const { kind } = options
      const offer = await site.call('createGateway', {
        body: {
          ...{ name, kind, deviceUrl, enrolmentUrl, linkAddress, serveContent: content.serveContent },
          ...(content.contentPoint == null ? {} : { contentPoint: content.contentPoint }),
        },
      })
      showOffer(session, offer)
    })

  group
    .command('code')
    .description('prints a new code to join with, for a machine that takes the place of a gateway')
    .argument('<gateway>', 'name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      for (const id of await site.gateways([wanted])) showOffer(session, await site.call('createJoinCode', { id }))
    })

  group
    .command('join')
    .description('makes this machine the gateway of a code; needs no connection to the site, which dials')
    .argument('[code]', 'as the site printed it; read from standard input when absent')
    .requiredOption('--folder <folder>', 'new folder for its key, certificate, configuration and data')
    .option('--listen <host>', 'address of this machine that it listens on', '0.0.0.0')
    .action(async (code: string | undefined, { folder, listen }: { folder: string; listen: string }) => {
      const args = ['join', '--folder', folder, '--listen', listen, ...(code === undefined ? [] : [code])]
      // What went wrong was said by the program.
      if ((await runGatewayProgram(args, session.signal)) !== 0) failLocally('The gateway did not join.')
    })

  addressOptions(group.command('set'))
    .description('changes a gateway; devices hear of other addresses with their policy')
    .argument('<gateway>', 'name or id')
    .option('--content <off|folder|point>', contentSetting)
    .action(async (wanted: string, options: SetOptions): Promise<void> => {
      const addresses = addressesOf(options)
      if (Object.keys(addresses).length === 0 && options.content === undefined)
        failLocally('Say what to change: --help shows what is possible.')
      const site = await session.site()
      const body = { ...addresses, ...(await contentPlace(site, options)) }
      for (const id of await site.gateways([wanted]))
        showGateway(session, await site.call('changeGateway', { id, body }))
    })

  group
    .command('proxy')
    .description('gives the site name and password for the proxy before its gateways (linkProxy of its configuration)')
    .option('--credentials-file <file>', 'one line name:password; it can be deleted afterwards')
    .option('--forget', 'the proxy wants none any more')
    .action(async ({ credentialsFile, forget }: { credentialsFile?: string; forget?: true }): Promise<void> => {
      const site = await session.site()
      if (forget) await site.call('forgetLinkProxyCredentials')
      else if (credentialsFile === undefined) failLocally('Give --credentials-file or --forget.')
      else {
        const credentials = await secretFile(credentialsFile)
        await site.call('setLinkProxyCredentials', { body: { credentials } })
      }
      session.out.result({}, () => [forget ? 'Forgotten.' : 'Kept in the vault; used from the next connection on.'])
    })

  group
    .command('thresholds')
    .description('says how much a gateway may send in 14 days and hold, before there is an alarm')
    .argument('<gateway>', 'name or id')
    .option('--outbound <GB>', '14-day threshold for outbound data; none: no threshold', gigabytes)
    .option('--warning <percent>', 'of it, for a warning', percentage, 50)
    .option('--critical <percent>', 'of it, for a critical alarm', percentage, 90)
    .option('--stop', 'stop this service when the critical threshold is exceeded')
    .option('--storage <GB>', 'threshold for what is distributed to it; none: no threshold', gigabytes)
    .action(async (wanted: string, options: ThresholdOptions): Promise<void> => {
      const { outbound: limitBytes, warning, critical, stop, storage } = options
      if (limitBytes === undefined && storage === undefined) failLocally('Give --outbound or --storage.')
      const threshold = { warningPercent: warning, criticalPercent: critical, stopWhenCritical: stop === true }
      const body = {
        ...(limitBytes === undefined ? {} : { outbound: { limitBytes, ...threshold } }),
        ...(storage === undefined ? {} : { storageLimitBytes: storage }),
      }
      const site = await session.site()
      for (const id of await site.gateways([wanted]))
        showGateway(session, await site.call('changeGateway', { id, body }))
    })

  group
    .command('remove')
    .description('forgets a gateway: devices use the others from their next policy on')
    .argument('<gateway>', 'name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      for (const id of await site.gateways([wanted])) {
        await site.call('deleteGateway', { id })
        session.out.result({ removed: id }, () => [`Removed ${id}.`])
      }
    })
}

const addressOptions = (command: Command): Command =>
  command
    .option('--url <url>', 'where everybody reaches it on one port, as in https://gateway.example')
    .option('--device-url <url>', 'where devices reach it, when that is another')
    .option('--enrolment-url <url>', 'where computers enrol, when that is another')
    .option('--link <host:port>', 'where the site dials it, when that is another')

/** What the options say; `--url` stands for all three. */
function addressesOf({ url, deviceUrl, enrolmentUrl, link }: Addresses) {
  const found = {
    deviceUrl: deviceUrl ?? url,
    enrolmentUrl: enrolmentUrl ?? url,
    linkAddress: link ?? (url === undefined ? undefined : hostAndPort(url)),
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as Partial<
    Record<keyof typeof found, string>
  >
}

function hostAndPort(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') return failLocally(`--url: ${text} is not an https address.`)
  return `${url.hostname}:${url.port || 443}`
}

/** Bytes; null for none. */
function gigabytes(text: string): number | null {
  if (text === 'none') return null
  const bytes = Math.round(Number(text) * 1e9)
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new InvalidArgumentError('a number of gigabytes above 0, or none')
}

function percentage(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value
  throw new InvalidArgumentError('a whole number from 1 to 100')
}

const showOffer = (session: Session, offer: GatewayJoinOffer): void =>
  session.out.result(offer, () => [
    ...fields([
      ['Gateway', offer.gatewayId],
      ['Code holds until', offer.expiresAt],
    ]),
    'Type this on its machine; the code is good for one gateway, once:',
    `sluice gateway join --folder /var/lib/sluice-gateway ${offer.code}`,
  ])

const connectionRow = (one: GatewayConnection): (string | number)[] => [
  one.kind,
  one.state,
  one.since,
  one.roundTripMs === undefined ? '' : `${one.roundTripMs.toFixed(1)} ms`,
  one.requests,
  formatBytes(one.sentBytes),
  formatBytes(one.receivedBytes),
  one.dials,
]

const contentSetting =
  'Allow CMG to function as a cloud distribution point and serve content from Azure storage: off, folder (its own), or the name of a cloud distribution point'

/** What `--content` says; of a point that is switched off nothing is forgotten. */
async function contentPlace(site: Site, { content }: SetOptions) {
  if (content === undefined) return {}
  if (content === 'off') return { serveContent: false }
  if (content === 'folder') return { serveContent: true, contentPoint: null }
  return { serveContent: true, contentPoint: (await site.cloudPoint(content)).id }
}

function contentOf({ serveContent, contentPoint }: GatewayInfo): string {
  if (!serveContent) return 'off'
  return contentPoint ?? 'folder'
}

const DAY_MS = 24 * 3600_000

/** A warning in the last 30 days, as in the log of the gateway. */
function certificateEnd({ certificateExpiresAt }: GatewayInfo): string {
  if (certificateExpiresAt === undefined) return 'unknown'
  const days = Math.floor((Date.parse(certificateExpiresAt) - Date.now()) / DAY_MS)
  const date = certificateExpiresAt.slice(0, 10)
  if (days < 0) return `${date} EXPIRED`
  return days <= 30 ? `${date} ends in ${days} days` : date
}

function thresholdText({ outbound }: GatewayInfo): string | undefined {
  const { limitBytes, warningPercent, criticalPercent, stopWhenCritical } = outbound
  if (limitBytes === null) return undefined
  const then = stopWhenCritical ? ', then it stops' : ''
  return `${formatBytes(limitBytes)}: warning at ${warningPercent} %, critical at ${criticalPercent} %${then}`
}

const showGateway = (session: Session, one: GatewayInfo): void =>
  session.out.result(one, () =>
    fields([
      ['Gateway', one.id],
      ['Name', one.name],
      ['Kind', one.kind],
      ['For devices', one.deviceUrl],
      ['For enrolment', one.enrolmentUrl],
      ['Link', `${one.link.state} since ${one.link.since}`],
      ['Content', contentOf(one)],
      ['Stopped since', one.stoppedAt],
      ['Sent in 14 days', formatBytes(one.outboundBytes)],
      ['Outbound threshold', thresholdText(one)],
      ['Storage threshold', one.storageLimitBytes === null ? undefined : formatBytes(one.storageLimitBytes)],
      ['Certificate', certificateEnd(one)],
      ['Join code until', one.joinCodeExpiresAt],
      ['Served', `${formatBytes(one.packBytesServed)} of packs, ${formatBytes(one.pageBytesServed)} of pages`],
    ]),
  )
