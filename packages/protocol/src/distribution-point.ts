/**
 * Cloud distribution points as gateways and devices know them: object storage with packs and pages.
 * What is here can read and never write; what writes stays at the site.
 */
import { z } from 'zod'
import { CloudPointId } from './ids.ts'

/** Before every name in a bucket or container; empty, or ending where the administrator says. */
export const StoragePrefix = z
  .string()
  .regex(/^[A-Za-z0-9._/-]{0,200}$/, 'letters, digits, and - _ . /')
  .default('')

/** How a gateway reads. `azureSas` signs nothing for others, so the gateway relays; the other two sign addresses. */
export const PointAccess = z.discriminatedUnion('kind', [
  /** A shared access signature of the container that reads, made by the site. */
  z.object({
    kind: z.literal('azureSas'),
    containerUrl: z.url().max(2000),
    prefix: StoragePrefix,
    token: z.string().max(4000),
  }),
  /** A user delegation key of a principal that may only read. */
  z.object({
    kind: z.literal('azureDelegation'),
    containerUrl: z.url().max(2000),
    prefix: StoragePrefix,
    key: z.object({
      signedObjectId: z.string().max(200),
      signedTenantId: z.string().max(200),
      signedStartsOn: z.iso.datetime(),
      signedExpiresOn: z.iso.datetime(),
      signedService: z.string().max(10),
      signedVersion: z.string().max(20),
      value: z.string().max(1000),
    }),
  }),
  /** An access key that may only get objects. */
  z.object({
    kind: z.literal('s3'),
    endpoint: z.url().max(2000),
    region: z.string().max(100),
    bucket: z.string().max(255),
    addressing: z.enum(['path', 'host']),
    prefix: StoragePrefix,
    credentials: z.object({ accessKeyId: z.string().max(500), secretAccessKey: z.string().max(500) }),
  }),
])
export type PointAccess = z.infer<typeof PointAccess>

/** Cloud distribution points of one site. */
export const MAX_CLOUD_POINTS = 50

export const GatewayPoint = z.object({ pointId: CloudPointId, name: z.string().max(255), access: PointAccess })
export type GatewayPoint = z.infer<typeof GatewayPoint>

/** Whether devices fetch from the storage itself, or through a gateway. */
export type PointService = 'direct' | 'relayed'
export const pointService = ({ kind }: Pick<PointAccess, 'kind'>): PointService =>
  kind === 'azureSas' ? 'relayed' : 'direct'
