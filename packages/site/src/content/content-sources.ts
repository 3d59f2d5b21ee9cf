/**
 * Where a device may fetch content from, in the order in which it tries: the gateway that it asked
 * through, other gateways, then cloud distribution points, whose bytes cost money: first the one that the
 * gateway uses instead of its folder. What is passed over is named with its reason.
 */
import {
  type ClientSettings,
  type CloudPointId,
  type ContentGrant,
  type DistributionPointId,
  type GatewayId,
  type NetworkLocation,
  type Problem,
  problem,
} from '@sluice/protocol'
import { cloudSources } from '../deployments/circumstances.ts'
import type { CloudPoint } from './cloud-points.ts'

/** A gateway as far as content cares. */
export interface ContentGateway {
  id: GatewayId
  name: string
  kind: NetworkLocation
  deviceUrl: string
  serveContent: boolean
  /** The cloud distribution point that it uses instead of its folder. */
  contentPoint?: CloudPointId | undefined
}

/** What the settings let the device use, best first; and what they do not. */
export interface Reach {
  gateways: ContentGateway[]
  points: CloudPoint[]
  passedOver: ContentGrant['passedOver']
}

/** @param at.asking the gateway through which the device asks */
export function sourcesInReach(at: {
  location: NetworkLocation
  asking: GatewayId
  settings: ClientSettings
  gateways: readonly ContentGateway[]
  cloudPoints: readonly CloudPoint[]
}): Reach {
  const { location, asking, settings, gateways, cloudPoints } = at
  const { enableGateway, allowCloudDistributionPoint } = settings.cloudServices
  const passedOver: ContentGrant['passedOver'] = []
  const pass = (name: string, reason: Problem) => void passedOver.push({ name, problem: reason })

  const usable = gateways.filter((gateway) => {
    const reason = gatewayRefusal(gateway, location, settings)
    if (reason !== undefined) pass(gateway.name, reason)
    return reason === undefined
  })
  const rank = ({ id, kind }: ContentGateway) => (id === asking ? 0 : kind === location ? 1 : 2)
  const own = gateways.find(({ id }) => id === asking)?.contentPoint
  const allowed = allowCloudDistributionPoint && (location === 'internal' || enableGateway)
  const points = allowed ? cloudSources(location, { clientSettings: settings, gateways, cloudPoints }) : []
  for (const point of cloudPoints) {
    if (points.includes(point)) continue
    const reason = allowed
      ? problem('GATEWAY_CONTENT_DISABLED', 'Its storage must be relayed, and no gateway in reach serves content.')
      : problem(
          'CLOUD_CONTENT_DISABLED',
          'Client settings, Cloud Services: Allow access to cloud distribution point = No.',
        )
    pass(point.name, reason)
  }
  return {
    gateways: usable.toSorted((a, b) => rank(a) - rank(b)),
    points: points.toSorted((a, b) => Number(b.id === own) - Number(a.id === own)),
    passedOver,
  }
}

/** Gateways inside serve devices inside; those of the cloud, whom the client settings let use them. */
function gatewayRefusal(
  { kind, serveContent }: ContentGateway,
  location: NetworkLocation,
  { cloudServices }: ClientSettings,
): Problem | undefined {
  if (!serveContent) return problem('GATEWAY_CONTENT_DISABLED', 'It does not serve content.')
  if (kind === 'internal')
    return location === 'internal' ? undefined : problem('UNREACHABLE', 'It is for devices inside.')
  if (!cloudServices.enableGateway)
    return problem(
      'GATEWAY_USE_DISABLED',
      'Client settings, Cloud Services: Enable clients to use a cloud management gateway = No.',
    )
  if (!cloudServices.allowCloudDistributionPoint)
    return problem(
      'CLOUD_CONTENT_DISABLED',
      'Client settings, Cloud Services: Allow access to cloud distribution point = No.',
    )
  return undefined
}

/** Those in reach that hold a content, as a grant names them. */
export function sourcesOf(
  { gateways, points, passedOver }: Reach,
  holders: readonly DistributionPointId[],
): Pick<ContentGrant, 'sources' | 'points' | 'passedOver'> {
  const holds = ({ id }: { id: DistributionPointId }) => holders.includes(id)
  const without = [...gateways, ...points].filter((one) => !holds(one))
  const missing = without.map((one) => ({
    name: one.name,
    problem: problem(
      'CONTENT_NOT_DISTRIBUTED',
      'contentPoint' in one && one.contentPoint !== undefined
        ? 'It uses cloud storage instead of its folder.'
        : 'The content is not whole there.',
    ),
  }))
  return {
    sources: gateways.filter(holds).map(({ id, name, deviceUrl }) => ({ gatewayId: id, name, url: deviceUrl })),
    points: points.filter(holds).map(({ id, name }) => ({ pointId: id, name })),
    passedOver: [...passedOver, ...missing].slice(0, 100),
  }
}
