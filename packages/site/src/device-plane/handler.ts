/**
 * What the site answers of the device plane. A gateway relays a request by route id; the body is
 * parsed by the route's schema before a handler sees it, and the caller is what the gateway proved.
 */
import type { Caller, DeviceRouteId, deviceRoutes, GatewayId } from '@sluice/protocol'

/** Routes of `deviceRoutes` with `answeredBy: 'site'`. */
export type SiteRouteId = {
  [K in DeviceRouteId]: (typeof deviceRoutes)[K]['answeredBy'] extends 'site' ? K : never
}[DeviceRouteId]

export interface RelayedRequest {
  caller: Caller
  gateway: { gatewayId: GatewayId; kind: 'internet' | 'internal' }
  parameters: Record<string, string>
  /** Parsed by the route's request schema; undefined where it has none. */
  body: unknown
  signal: AbortSignal
}

export type RelayedAnswer = { kind: 'json'; body: unknown } | { kind: 'bytes'; body: Uint8Array }

/** Answers one route. Expected failures are thrown as `ProblemError`. */
export type DeviceHandler = (request: RelayedRequest) => Promise<RelayedAnswer>

export type DeviceHandlers = Record<SiteRouteId, DeviceHandler>
