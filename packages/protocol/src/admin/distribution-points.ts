/** Cloud distribution points as administrators handle them. */
import { z } from 'zod'
import { StoragePrefix } from '../distribution-point.ts'
import { CloudPointId } from '../ids.ts'
import { type AdminRoute, Name, none, plain } from './route.ts'

const Secret = z.string().min(1).max(500)

/** Whoever reads along on plain HTTP gets addresses that open objects: only this machine may be reached so. */
const StorageUrl = z
  .url({ protocol: /^https?$/, error: 'no address such as https://storage.example', abort: true })
  .max(2000)
  .refine((text) => {
    const url = new URL(text)
    return url.protocol === 'https:' || ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  }, 'https is needed, except to this machine')
  .refine((text) => {
    const url = new URL(text)
    return url.username === '' && url.search === '' && url.hash === ''
  }, 'an address without user, query and fragment; credentials are given by themselves')

const AccessKey = z.strictObject({ accessKeyId: Secret, secretAccessKey: Secret })
/** A principal of the directory that gives out tokens by its client secret (OAuth 2.0, RFC 6749 §4.4). */
const Principal = z.strictObject({ tenantId: Name, clientId: Name, clientSecret: Secret })
export type Principal = z.infer<typeof Principal>

/** Where a cloud distribution point keeps its objects, and the credentials: the site's to write, and what gateways get to read. */
export const PointStorage = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('azureBlob'),
    /** Such as `https://account.blob.core.windows.net/container`. */
    containerUrl: StorageUrl,
    prefix: StoragePrefix,
    credential: z.discriminatedUnion('kind', [
      /** Gateways get a shared access signature of the container that reads. */
      z.strictObject({ kind: z.literal('sharedKey'), account: Name, key: Secret }),
      /** Shared access signatures of the container: one that writes, one that reads. */
      z.strictObject({
        kind: z.literal('sas'),
        token: z.string().min(1).max(4000),
        readerToken: z.string().min(1).max(4000),
      }),
      /** With a reader gateways sign addresses; without they get a shared access signature that reads. */
      z.strictObject({
        kind: z.literal('token'),
        ...Principal.shape,
        reader: Principal.optional(),
        /** Where tokens are asked for. */
        authority: StorageUrl.default('https://login.microsoftonline.com'),
      }),
    ]),
  }),
  z.strictObject({
    kind: z.literal('s3'),
    /** Without a path, such as `https://s3.eu-central-1.amazonaws.com`. */
    endpoint: StorageUrl,
    region: Name,
    bucket: Name,
    addressing: z.enum(['path', 'host']).default('path'),
    prefix: StoragePrefix,
    writer: AccessKey,
    /** May only get objects; gateways sign with it. */
    reader: AccessKey,
  }),
])
export type PointStorage = z.infer<typeof PointStorage>

export const DistributionPointCreate = z.strictObject({ name: Name, storage: PointStorage })

/** The storage as it was made with, but for its credentials. */
export const PointCredentials = z.strictObject({ storage: PointStorage })

export const DistributionPointInfo = z.object({
  id: CloudPointId,
  name: z.string(),
  kind: z.enum(['azureBlob', 's3']),
  /** Of the container or bucket, with the prefix. No secret. */
  address: z.string(),
  /** Whether devices fetch from the storage itself, or through a gateway. */
  service: z.enum(['direct', 'relayed']),
  /** Packages that shall be there, and those of them that are there whole. */
  packages: z.int().nonnegative(),
  installed: z.int().nonnegative(),
  /** What lies there. */
  objectCount: z.int().nonnegative(),
  objectBytes: z.int().nonnegative(),
})
export type DistributionPointInfo = z.infer<typeof DistributionPointInfo>

export const distributionPointRoutes = {
  distributionPoints: {
    method: 'GET',
    path: '/admin/v1/distribution-points',
    ...plain,
    answer: z.array(DistributionPointInfo),
  },
  /** Tries the credentials on the storage before anything is kept. */
  createDistributionPoint: {
    method: 'POST',
    path: '/admin/v1/distribution-points',
    ...plain,
    body: DistributionPointCreate,
    answer: DistributionPointInfo,
  },
  /** Other credentials for the same place, tried before they take the place of the old ones. */
  replacePointCredentials: {
    method: 'PUT',
    path: '/admin/v1/distribution-points/:id/credentials',
    ...plain,
    body: PointCredentials,
    answer: DistributionPointInfo,
  },
  /** Only one that holds nothing. */
  deleteDistributionPoint: { method: 'DELETE', path: '/admin/v1/distribution-points/:id', ...plain, answer: none },
} as const satisfies Record<string, AdminRoute>
