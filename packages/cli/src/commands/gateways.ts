import { X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import type { GatewayInfo } from '@sluice/protocol'
import { type Command, Option } from 'commander'
import {
  abandonGatewayFolder,
  completeGatewayFolder,
  type GatewayListeners,
  prepareGatewayFolder,
  renewalOf,
} from '../gateway-folder.ts'
import { failLocally } from '../local-failure.ts'
import { switchOption } from '../options.ts'
import type { Session } from '../run.ts'
import { fields, formatBytes, onOff, table } from '../text.ts'

interface AddOptions {
  kind: 'internet' | 'internal'
  deviceUrl: string
  enrolmentUrl: string
  link: string
  serveContent?: boolean
  listen: string
  out: string
}

export function addGatewayCommands(program: Command, session: Session): void {
  const group = program.command('gateways').description('what devices on the internet talk to')

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
            onOff(one.serveContent),
            formatBytes(one.packBytesServed + one.pageBytesServed),
            certificateEnd(one),
            one.deviceUrl,
            one.name,
          ]),
        ),
      )
    })

  group
    .command('add')
    .description('makes the folder that a new gateway is started from')
    .argument('<name>')
    .requiredOption('--device-url <url>', 'where devices reach it, as in https://gateway.example:8443')
    .requiredOption('--enrolment-url <url>', 'where computers enrol, as in https://gateway.example:8444')
    .requiredOption('--link <host:port>', 'where the site dials it')
    .requiredOption('--out <folder>', 'new folder for key, certificate and configuration; take it to the gateway')
    .addOption(
      new Option('--kind <kind>', 'where its devices are').choices(['internet', 'internal']).default('internet'),
    )
    .addOption(switchOption('--serve-content', contentSetting))
    .option('--listen <host>', 'address of the machine that it listens on', '0.0.0.0')
    .action(async (name: string, options: AddOptions): Promise<void> => {
      const site = await session.site()
      const listeners = listenersOf(options)
      const folder = resolve(options.out)
      const { csr } = await prepareGatewayFolder(folder)
      let joined: Awaited<ReturnType<typeof site.call<'createGateway'>>>
      try {
        joined = await site.call('createGateway', {
          body: {
            name,
            kind: options.kind,
            deviceUrl: options.deviceUrl,
            enrolmentUrl: options.enrolmentUrl,
            linkAddress: options.link,
            ...(options.serveContent === undefined ? {} : { serveContent: options.serveContent }),
            csr,
          },
        })
      } catch (error) {
        await abandonGatewayFolder(folder)
        throw error
      }
      const configuration = await completeGatewayFolder(folder, joined, listeners)
      session.out.result({ gatewayId: joined.gatewayId, configuration }, () => [
        ...fields([
          ['Gateway', joined.gatewayId],
          ['Folder', folder],
        ]),
        `Take the folder to its machine and start it there: node packages/gateway/bin/sluice-gateway.ts --config ${configuration}`,
      ])
    })

  group
    .command('renew')
    .description(
      'puts a new certificate into the folder that a gateway is started from; a running one takes it by itself',
    )
    .argument('<gateway>', 'name or id')
    .argument('<folder>', 'with `gateway.json` and the key')
    .action(async (wanted: string, folder: string): Promise<void> => {
      const site = await session.site()
      for (const id of await site.gateways([wanted])) {
        const { gatewayId, csr, replace } = await renewalOf(folder)
        if (gatewayId !== id) failLocally(`${folder} belongs to another gateway: ${gatewayId}.`)
        const { certificate } = await site.call('renewGateway', { id, body: { csr } })
        const file = await replace(certificate)
        const { validTo } = new X509Certificate(certificate)
        session.out.result({ gatewayId, file, validTo }, () => [`Wrote ${file}: good until ${validTo}.`])
      }
    })

  group
    .command('set')
    .description('changes settings of a gateway')
    .argument('<gateway>', 'name or id')
    .addOption(switchOption('--serve-content', contentSetting).makeOptionMandatory())
    .action(async (wanted: string, { serveContent }: { serveContent: boolean }): Promise<void> => {
      const site = await session.site()
      for (const id of await site.gateways([wanted]))
        showGateway(session, await site.call('changeGateway', { id, body: { serveContent } }))
    })
}

const contentSetting = 'Allow CMG to function as a cloud distribution point and serve content from Azure storage'

/** It listens on the ports that others dial. */
function listenersOf(options: AddOptions): GatewayListeners {
  const port = (text: string, option: string): number => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url?.protocol !== 'https:') return failLocally(`${option}: ${text} is not an https address.`)
    return url.port === '' ? 443 : Number(url.port)
  }
  const { listen: host } = options
  return {
    enrolment: { host, port: port(options.enrolmentUrl, '--enrolment-url') },
    device: { host, port: port(options.deviceUrl, '--device-url') },
    link: { host, port: port(`https://${options.link}`, '--link') },
  }
}

const DAY_MS = 24 * 3600_000

/** A warning in the last 30 days, as in the log of the gateway. */
function certificateEnd({ certificateExpiresAt }: GatewayInfo): string {
  if (certificateExpiresAt === undefined) return 'unknown'
  const days = Math.floor((Date.parse(certificateExpiresAt) - Date.now()) / DAY_MS)
  const date = certificateExpiresAt.slice(0, 10)
  if (days < 0) return `${date} EXPIRED`
  return days <= 30 ? `${date} RENEW: ${days} days left` : date
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
      ['Serves content', onOff(one.serveContent)],
      ['Certificate', certificateEnd(one)],
      ['Served', `${formatBytes(one.packBytesServed)} of packs, ${formatBytes(one.pageBytesServed)} of pages`],
    ]),
  )
