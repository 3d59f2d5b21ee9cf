/** What the site knows of a gateway, as hops: its link, its certificate, and what keeps devices from using it. */
import { failedHop, type Hop, passedHop, skippedHop, warnedHop } from '@sluice/content/gateway-check'
import { type GatewayInfo, type PackageInfo, problem } from '@sluice/protocol'
import { formatBytes } from '../terminal/text.ts'
import type { Site } from './site.ts'

const DAY_MS = 24 * 3600_000
const WARN_DAYS = 30

/** @param now milliseconds since 1970 */
export async function siteView(site: Pick<Site, 'call'>, gateway: GatewayInfo, now: number): Promise<Hop[]> {
  const { cloudServices } = await site.call('clientSettings')
  return [
    linkHop(gateway),
    ...gateway.connections.map(connectionHop),
    certificateHop(gateway, now),
    settingHop('Client setting', cloudServices.enableGateway, 'GATEWAY_USE_DISABLED', 'clients may use gateways'),
    settingHop(
      'Client setting',
      cloudServices.allowCloudDistributionPoint,
      'CLOUD_CONTENT_DISABLED',
      'clients may fetch content here',
    ),
    servingHop(gateway),
    outboundHop(gateway),
    distributionHop(gateway, await site.call('packages')),
  ]
}

function linkHop({ link, linkAddress }: GatewayInfo): Hop {
  if (link.state === 'up') return passedHop('Link', `the site is connected to ${linkAddress} since ${link.since}`)
  const why = link.problem?.detail ?? 'The site has not reached it yet.'
  return failedHop('Link', problem('SITE_UNREACHABLE', `${linkAddress}: down since ${link.since}. ${why}`))
}

function connectionHop(one: GatewayInfo['connections'][number]): Hop {
  const hop = `Link, ${one.kind}`
  if (one.state === 'down') return failedHop(hop, problem('SITE_UNREACHABLE', `Down since ${one.since}.`))
  const latency = one.roundTripMs === undefined ? '' : `${one.roundTripMs.toFixed(1)} ms away, `
  const traffic = `${formatBytes(one.sentBytes)} sent, ${formatBytes(one.receivedBytes)} received`
  return passedHop(hop, `${latency}${one.requests} requests, ${traffic}, dialled ${one.dials} times`)
}

function certificateHop({ certificateExpiresAt }: GatewayInfo, now: number): Hop {
  const hop = 'Certificate at the link'
  if (certificateExpiresAt === undefined) return skippedHop(hop, 'the gateway has not joined yet')
  const days = Math.floor((Date.parse(certificateExpiresAt) - now) / DAY_MS)
  const text = `It is valid until ${certificateExpiresAt}.`
  if (days < 0) return failedHop(hop, problem('GATEWAY_CERTIFICATE_EXPIRED', text))
  if (days <= WARN_DAYS) return warnedHop(hop, problem('GATEWAY_CERTIFICATE_ENDS_SOON', text))
  return passedHop(hop, `valid for ${days} days more`)
}

function settingHop(
  hop: string,
  on: boolean,
  code: 'GATEWAY_USE_DISABLED' | 'CLOUD_CONTENT_DISABLED',
  meaning: string,
): Hop {
  return on ? passedHop(hop, meaning) : failedHop(hop, problem(code, 'Client settings, Cloud Services: it is off.'))
}

function servingHop({ name, serveContent, stoppedAt }: GatewayInfo): Hop {
  const hop = 'Content'
  if (!serveContent)
    return warnedHop(hop, problem('GATEWAY_CONTENT_DISABLED', `Gateway ${name}: content is switched off.`))
  if (stoppedAt === undefined) return passedHop(hop, 'the gateway may serve it')
  return failedHop(
    hop,
    problem('GATEWAY_CONTENT_DISABLED', `Stopped since ${stoppedAt}: the critical threshold is exceeded.`),
  )
}

function outboundHop({ outbound, outboundBytes }: GatewayInfo): Hop {
  const { limitBytes, warningPercent } = outbound
  const hop = 'Sent in 14 days'
  if (limitBytes === null) return passedHop(hop, `${formatBytes(outboundBytes)}; there is no threshold`)
  const percent = Math.floor((100 * outboundBytes) / limitBytes)
  const text = `${formatBytes(outboundBytes)}, ${percent} % of ${formatBytes(limitBytes)}`
  if (percent < warningPercent) return passedHop(hop, text)
  return warnedHop(hop, problem('OUTBOUND_THRESHOLD_EXCEEDED', `${text}.`))
}

/** Not yet there is a warning: it may be on its way. */
function distributionHop({ id, contentPoint }: GatewayInfo, packages: readonly PackageInfo[]): Hop {
  const hop = 'Distribution'
  const here = packages.flatMap((one) =>
    one.distribution
      .filter(({ pointId }) => pointId === (contentPoint ?? id))
      .map((state) => ({ name: one.id, ...state })),
  )
  if (here.length === 0) return passedHop(hop, 'nothing was distributed to it')
  const named = (state: (typeof here)[number]) => `${state.name} version ${state.version} is ${state.state}`
  const failed = here.filter(({ state }) => state === 'failed' || state === 'cancelled')
  if (failed.length > 0)
    return failedHop(hop, problem('CONTENT_NOT_DISTRIBUTED', `${failed.slice(0, 10).map(named).join(', ')}.`))
  const missing = here.filter(({ state }) => state !== 'installed')
  if (missing.length > 0)
    return warnedHop(hop, problem('CONTENT_NOT_DISTRIBUTED', `${missing.slice(0, 10).map(named).join(', ')}.`))
  return passedHop(hop, `${here.length} packages are whole there`)
}
