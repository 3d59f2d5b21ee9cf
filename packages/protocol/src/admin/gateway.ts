/** Gateways as an administrator sees them. */
import { z } from 'zod'
import { CloudPointId, GatewayId } from '../ids.ts'
import { LinkAddress } from '../link.ts'
import { Problem } from '../problem.ts'
import { OutboundThreshold } from './alarm.ts'
import { type AdminRoute, none, plain } from './route.ts'

const Time = z.iso.datetime()

export const GatewayCreate = z.strictObject({
  name: z.string().min(1).max(255),
  kind: z.enum(['internet', 'internal']),
  /** Host and ports as devices see them; both may be the same. */
  deviceUrl: z.url({ protocol: /^https$/ }),
  enrolmentUrl: z.url({ protocol: /^https$/ }),
  /** Where the connector of the site dials; may be the same port too. */
  linkAddress: LinkAddress,
  serveContent: z.boolean().default(true),
  /** The cloud distribution point that it uses instead of its own folder. */
  contentPoint: CloudPointId.optional(),
})

/** What the person who sets up the gateway types there, once. */
export const GatewayJoinOffer = z.object({
  gatewayId: GatewayId,
  code: z.string().max(8_000),
  expiresAt: Time,
})
export type GatewayJoinOffer = z.infer<typeof GatewayJoinOffer>

export const GatewayChange = z.strictObject({
  deviceUrl: GatewayCreate.shape.deviceUrl.optional(),
  enrolmentUrl: GatewayCreate.shape.enrolmentUrl.optional(),
  linkAddress: LinkAddress.optional(),
  serveContent: z.boolean().optional(),
  /** Null: its own folder. What it stands for is sent to the new place; the old one holds it until it is whole there. */
  contentPoint: CloudPointId.nullable().optional(),
  outbound: OutboundThreshold.optional(),
  /** How much may be distributed to it before somebody hears of it; null: no threshold. */
  storageLimitBytes: z.int().positive().nullable().optional(),
})

/** One of the connections of a link, since it is up or down. */
export const GatewayConnection = z.object({
  kind: z.enum(['control', 'bulk']),
  state: z.enum(['up', 'down']),
  since: Time,
  /** Between a ping and its answer; absent before the first. */
  roundTripMs: z.number().nonnegative().optional(),
  /** Since this process of the site started, over all connections of this kind. */
  requests: z.int().nonnegative(),
  sentBytes: z.int().nonnegative(),
  receivedBytes: z.int().nonnegative(),
  /** How often it was dialled. */
  dials: z.int().nonnegative(),
})
export type GatewayConnection = z.infer<typeof GatewayConnection>

export const GatewayInfo = z.object({
  id: GatewayId,
  name: z.string(),
  kind: z.enum(['internet', 'internal']),
  deviceUrl: z.string(),
  enrolmentUrl: z.string(),
  linkAddress: z.string(),
  serveContent: z.boolean(),
  /** Absent: its own folder. */
  contentPoint: CloudPointId.optional(),
  link: z.discriminatedUnion('state', [
    z.object({ state: z.literal('up'), since: Time }),
    z.object({ state: z.literal('down'), since: Time, problem: Problem.optional() }),
  ]),
  connections: z.array(GatewayConnection),
  packBytesServed: z.int().nonnegative(),
  pageBytesServed: z.int().nonnegative(),
  outbound: OutboundThreshold,
  /** Sent in the last 14 days. */
  outboundBytes: z.int().nonnegative(),
  storageLimitBytes: z.int().positive().nullable(),
  /** Since when it serves no content because of the critical threshold. */
  stoppedAt: Time.optional(),
  /** Of the certificate that it showed when the site dialled it last; absent before. */
  certificateExpiresAt: Time.optional(),
  /** A join code was made and not used yet. */
  joinCodeExpiresAt: Time.optional(),
})
export type GatewayInfo = z.infer<typeof GatewayInfo>

export const gatewayRoutes = {
  gateways: { method: 'GET', path: '/admin/v1/gateways', ...plain, answer: z.array(GatewayInfo) },
  createGateway: {
    method: 'POST',
    path: '/admin/v1/gateways',
    ...plain,
    body: GatewayCreate,
    answer: GatewayJoinOffer,
  },
  changeGateway: {
    method: 'PATCH',
    path: '/admin/v1/gateways/:id',
    ...plain,
    body: GatewayChange,
    answer: GatewayInfo,
  },
  /** For a machine that takes the place of the gateway, or joins anew; an earlier code does not hold any more. */
  createJoinCode: {
    method: 'POST',
    path: '/admin/v1/gateways/:id/join-code',
    ...plain,
    body: none,
    answer: GatewayJoinOffer,
  },
  /** Devices hear that it is gone; what it holds is forgotten here. */
  deleteGateway: { method: 'DELETE', path: '/admin/v1/gateways/:id', ...plain, answer: none },
} as const satisfies Record<string, AdminRoute>
