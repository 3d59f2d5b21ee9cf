/**
 * What the site answers of the device plane. A gateway relays a request by route id; the body is
 * parsed by the route's schema before a handler sees it, and the caller is what the gateway proved.
 */
import type { Caller, DeviceRouteId, deviceRoutes, GatewayId } from '@sluice/protocol'
import type { z } from 'zod'

/** Routes of `deviceRoutes` with `answeredBy: 'site'`. */
export type SiteRouteId = {
  [K in DeviceRouteId]: (typeof deviceRoutes)[K]['answeredBy'] extends 'site' ? K : never
}[DeviceRouteId]

/** The parsed body of a route; undefined where it has none. */
export type DeviceBody<K extends SiteRouteId> = (typeof deviceRoutes)[K] extends { request: infer S extends z.ZodType }
  ? z.output<S>
  : undefined

export interface RelayedRequest<Body = unknown> {
  caller: Caller
  gateway: { gatewayId: GatewayId; kind: 'internet' | 'internal' }
  parameters: Record<string, string>
  body: Body
  signal: AbortSignal
}

export type RelayedAnswer = { kind: 'json'; body: unknown } | { kind: 'bytes'; body: Uint8Array }

/** Answers one route. Expected failures are thrown as `ProblemError`. */
export type DeviceHandler<K extends SiteRouteId = SiteRouteId> = (
  request: RelayedRequest<DeviceBody<K>>,
) => Promise<RelayedAnswer>

export type DeviceHandlers = { [K in SiteRouteId]: DeviceHandler<K> }
