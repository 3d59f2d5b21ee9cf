/** Which gateway to ask: the one that answered last, then the others in the order that policy gave. */
import type { GatewayAddress, GatewayId } from '@sluice/protocol'

export interface GatewayList {
  /** In the order to try them. */
  ordered(): readonly GatewayAddress[]
  /** Replaces the list; the order of a new list counts again from its first. */
  replace(gateways: readonly GatewayAddress[]): void
  /** This one answered. */
  prefer(gatewayId: GatewayId): void
}

/** @param remember is called when another gateway than before answered, so that a restart begins with it */
export function createGatewayList(
  first: readonly GatewayAddress[],
  remembered: string | undefined,
  remember: (gatewayId: GatewayId) => void,
): GatewayList {
  let gateways = first
  let preferred = remembered
  return {
    ordered: () => [
      ...gateways.filter((gateway) => gateway.gatewayId === preferred),
      ...gateways.filter((gateway) => gateway.gatewayId !== preferred),
    ],
    replace(next) {
      if (JSON.stringify(next) === JSON.stringify(gateways)) return
      gateways = next
      preferred = undefined
    },
    prefer(gatewayId) {
      if (preferred === gatewayId) return
      preferred = gatewayId
      remember(gatewayId)
    },
  }
}
