/**
 * What stands against a deployment by what the site knows, before a device is ever asked (design §7).
 * The rule itself is in the protocol; here are the circumstances that it asks for.
 */
import {
  type ClientSettings,
  type CloudPointId,
  type DeploymentSettings,
  type DistributionPointId,
  deploymentRefusals,
  type GatewayInfo,
  MAX_REFERENCED_PACKAGES,
  type NetworkLocation,
  type PackageId,
  type PackageInfo,
  type Problem,
  problem,
} from '@sluice/protocol'

/** A gateway as far as deployments care. */
export type GatewayFacts = Pick<GatewayInfo, 'id' | 'name' | 'kind' | 'deviceUrl' | 'enrolmentUrl' | 'serveContent'>

/** A cloud distribution point as far as deployments care. */
export interface CloudPointFacts {
  id: CloudPointId
  name: string
  /** Whether devices fetch from the storage itself, or through a gateway that serves content. */
  service: 'direct' | 'relayed'
  /** Where signed addresses lead. */
  origin: string
}

/** Where the circumstances come from: the areas of packages, gateways and client settings. */
export interface SiteFacts {
  /** Those of the ids that there are. */
  packages(ids: readonly PackageId[]): Promise<PackageInfo[]>
  gateways(): Promise<readonly GatewayFacts[]>
  cloudPoints(): Promise<readonly CloudPointFacts[]>
  clientSettings(): Promise<ClientSettings>
}

export interface Circumstances {
  clientSettings: ClientSettings
  gateways: readonly GatewayFacts[]
  cloudPoints: readonly CloudPointFacts[]
  packages: ReadonlyMap<PackageId, PackageInfo>
}

/** What of a deployment the rule looks at. */
export interface Deployed {
  settings: DeploymentSettings
  /** Everything that the sequence references, candidates included. */
  packages: readonly PackageId[]
  /** As many packages as its labels would bring in, where that is more than a run may have. */
  tooMany?: number
  downloadsPackageContent: boolean
}

/** The circumstances of all these deployments, each asked for once. */
export async function circumstances(facts: SiteFacts, deployed: readonly Deployed[]): Promise<Circumstances> {
  const ids = [...new Set(deployed.flatMap((one) => one.packages))]
  const [clientSettings, gateways, cloudPoints, packages] = await Promise.all([
    facts.clientSettings(),
    facts.gateways(),
    facts.cloudPoints(),
    ids.length === 0 ? [] : facts.packages(ids),
  ])
  return { clientSettings, gateways, cloudPoints, packages: new Map(packages.map((one) => [one.id, one])) }
}

/**
 * Gateways that a device at this location may fetch content from. Devices inside use those inside;
 * both sorts where the client settings let them use the cloud's.
 */
function sources(location: NetworkLocation, { gateways, clientSettings }: Circumstances): GatewayFacts[] {
  const { enableGateway, allowCloudDistributionPoint } = clientSettings.cloudServices
  const cloud = location === 'internet' || (enableGateway && allowCloudDistributionPoint)
  return gateways.filter(
    (gateway) => gateway.serveContent && (gateway.kind === 'internet' ? cloud : location === 'internal'),
  )
}

/**
 * Cloud distribution points that a device at this location may fetch content from: where the client settings
 * let it, and, where storage can only be relayed, with a gateway in reach that serves content.
 */
export function cloudSources<P extends Pick<CloudPointFacts, 'service'>>(
  location: NetworkLocation,
  at: {
    cloudPoints: readonly P[]
    clientSettings: ClientSettings
    gateways: readonly Pick<GatewayFacts, 'kind' | 'serveContent'>[]
  },
): P[] {
  const { cloudPoints, clientSettings, gateways } = at
  // Devices on the internet are refused as a whole by this setting, with a better reason.
  if (location === 'internal' && !clientSettings.cloudServices.allowCloudDistributionPoint) return []
  const relayed = gateways.some(({ serveContent, kind }) => serveContent && (kind === 'internet' || location === kind))
  return cloudPoints.filter(({ service }) => service === 'direct' || relayed)
}

/** Whether the newest version of the package lies whole at one of these points. */
function isAt(one: PackageInfo | undefined, points: readonly DistributionPointId[]): boolean {
  return (
    one?.contentId !== undefined &&
    one.distribution.some(
      ({ pointId, version, state }) => version === one.version && state === 'installed' && points.includes(pointId),
    )
  )
}

/** Every reason why a device at this location may not run it; the first to mend first. */
export function siteRefusals(deployed: Deployed, location: NetworkLocation, at: Circumstances): Problem[] {
  const reachable = [...sources(location, at), ...cloudSources(location, at)].map(({ id }) => id)
  const refusals = deploymentRefusals({
    location,
    clientSettings: at.clientSettings,
    settings: deployed.settings,
    downloadsPackageContent: deployed.downloadsPackageContent,
    contentServed: reachable.length > 0 || deployed.packages.length === 0,
    missingPackages: deployed.packages.filter((id) => !isAt(at.packages.get(id), reachable)),
  })
  if (deployed.tooMany === undefined) return refusals
  const detail = `${deployed.tooMany} packages; a sequence may have ${MAX_REFERENCED_PACKAGES}.`
  return [problem('TOO_MANY_CANDIDATES', detail), ...refusals]
}
