/**
 * What stands against a deployment by what the site knows, before a device is ever asked (design §7).
 * The rule itself is in the protocol; here are the circumstances that it asks for.
 */
import {
  type ClientSettings,
  type DeploymentSettings,
  deploymentRefusals,
  type GatewayInfo,
  type NetworkLocation,
  type PackageId,
  type PackageInfo,
  type Problem,
} from '@sluice/protocol'

/** A gateway as far as deployments care. */
export type GatewayFacts = Pick<GatewayInfo, 'id' | 'name' | 'kind' | 'deviceUrl' | 'enrolmentUrl' | 'serveContent'>

/** Where the circumstances come from: the areas of packages, gateways and client settings. */
export interface SiteFacts {
  /** Those of the ids that there are. */
  packages(ids: readonly PackageId[]): Promise<PackageInfo[]>
  gateways(): Promise<readonly GatewayFacts[]>
  clientSettings(): Promise<ClientSettings>
}

export interface Circumstances {
  clientSettings: ClientSettings
  gateways: readonly GatewayFacts[]
  packages: ReadonlyMap<PackageId, PackageInfo>
}

/** What of a deployment the rule looks at. */
export interface Deployed {
  settings: DeploymentSettings
  /** Everything that the sequence references, candidates included. */
  packages: readonly PackageId[]
  downloadsPackageContent: boolean
}

/** The circumstances of all these deployments, each asked for once. */
export async function circumstances(facts: SiteFacts, deployed: readonly Deployed[]): Promise<Circumstances> {
  const ids = [...new Set(deployed.flatMap((one) => one.packages))]
  const [clientSettings, gateways, packages] = await Promise.all([
    facts.clientSettings(),
    facts.gateways(),
    ids.length === 0 ? [] : facts.packages(ids),
  ])
  return { clientSettings, gateways, packages: new Map(packages.map((one) => [one.id, one])) }
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

/** Whether the newest version of the package lies whole at one of these gateways. */
function isAt(one: PackageInfo | undefined, gateways: readonly GatewayFacts[]): boolean {
  return (
    one?.contentId !== undefined &&
    one.distribution.some(
      ({ gatewayId, version, state }) =>
        version === one.version && state === 'installed' && gateways.some((gateway) => gateway.id === gatewayId),
    )
  )
}

/** Every reason why a device at this location may not run it; the first to mend first. */
export function siteRefusals(deployed: Deployed, location: NetworkLocation, at: Circumstances): Problem[] {
  const reachable = sources(location, at)
  return deploymentRefusals({
    location,
    clientSettings: at.clientSettings,
    settings: deployed.settings,
    downloadsPackageContent: deployed.downloadsPackageContent,
    contentServed: reachable.length > 0 || deployed.packages.length === 0,
    missingPackages: deployed.packages.filter((id) => !isAt(at.packages.get(id), reachable)),
  })
}
