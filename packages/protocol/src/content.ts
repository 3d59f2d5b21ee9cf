/**
 * Content on the wire: the manifest root (what a version is), the layout root (where its bytes are
 * now), and how a device gets at the objects. Formats of the pages and packs themselves are in the
 * content package; here are the documents that several parts read.
 */
import { z } from 'zod'
import { ContentTarget } from './facts.ts'
import { CloudPointId, ContentId, GatewayId, PackageId, Sha256 } from './ids.ts'
import { Problem } from './problem.ts'

export const PackageKind = z.enum(['package', 'application', 'osUpgrade', 'driver'])
export type PackageKind = z.infer<typeof PackageKind>

/**
 * Tags of a package, for fetching in advance only (configmgr-behaviour §2.8): never conditions of a step. A
 * device that has not all that is said does not fetch it before a step needs it.
 */
export const PreCacheTags = z.strictObject({
  architecture: z.enum(['x64', 'arm64', 'ia32']).optional(),
  /** As in `de-DE`; `de` stands for all of its countries. */
  language: z
    .string()
    .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/, 'a language such as de-DE')
    .optional(),
  /** Part of the name of the model. */
  model: z.string().min(1).max(100).optional(),
})
export type PreCacheTags = z.infer<typeof PreCacheTags>

/** Largest page of a manifest or layout, plain, in bytes. */
export const MAX_PAGE_BYTES = 1024 * 1024
/** Largest manifest or layout root, in bytes. */
export const MAX_ROOT_BYTES = 8 * 1024 * 1024
/** Largest pack, in bytes. */
export const MAX_PACK_BYTES = 64 * 1024 * 1024

/** The manifest root: small, signed once and for ever through the catalogue. It holds no file names. */
export const ManifestRoot = z.object({
  format: z.literal('sluice-manifest/1'),
  packageId: PackageId,
  /** Source version, counted from 1. */
  version: z.int().positive(),
  target: ContentTarget,
  fileCount: z.int().nonnegative(),
  /** Plain bytes of all files. */
  totalBytes: z.int().nonnegative(),
  chunkCount: z.int().nonnegative(),
  pages: z
    .array(
      z.object({
        /** SHA-256 of the plain page. */
        hash: Sha256,
        sizeBytes: z.int().positive().max(MAX_PAGE_BYTES),
        fileCount: z.int().nonnegative(),
        chunkCount: z.int().nonnegative(),
      }),
    )
    .max(40_000),
})
export type ManifestRoot = z.infer<typeof ManifestRoot>

/** An object in a distribution point, named by the SHA-256 of its bytes. */
export const ObjectKind = z.enum(['pack', 'page'])
export type ObjectKind = z.infer<typeof ObjectKind>

export const StoredObject = z.object({
  kind: ObjectKind,
  hash: Sha256,
  sizeBytes: z.int().positive(),
})
export type StoredObject = z.infer<typeof StoredObject>

/**
 * The layout root: replaceable at any time, not signed (chunk ids prove the result). Page `i` of
 * the layout says where the distinct chunks of page `i` of the manifest lie. It is itself stored
 * as a sealed page object.
 */
export const LayoutRoot = z.object({
  format: z.literal('sluice-layout/1'),
  contentId: ContentId,
  /** Object names and sizes of the sealed pages, in order. */
  pages: z
    .array(
      z.object({
        manifest: Sha256,
        manifestBytes: z.int().positive(),
        layout: Sha256,
        layoutBytes: z.int().positive(),
      }),
    )
    .max(40_000),
  /** Packs that hold chunks of this version. `salt` is standard base64 of 32 bytes. */
  packs: z.array(z.object({ hash: Sha256, sizeBytes: z.int().positive(), salt: z.base64() })).max(200_000),
})
export type LayoutRoot = z.infer<typeof LayoutRoot>

/** Asks the site for the right to fetch contents: one token for all that a run may need. */
export const ContentTokenRequest = z.object({
  contents: z.array(ContentId).min(1).max(500),
})
export type ContentTokenRequest = z.infer<typeof ContentTokenRequest>

/** Largest sealed layout root that comes with its grant; a device fetches larger ones as it does pages. */
export const GRANTED_ROOT_BYTES = 16 * 1024
/** Of all layout roots in one answer. */
export const GRANTED_ROOTS_BYTES = 256 * 1024

export const ContentGrant = z.object({
  contentId: ContentId,
  packageId: PackageId,
  /** JWE (compact, ECDH-ES, A256GCM) to the device's seal key; holds the package key's 32 bytes. */
  sealedKey: z.string().max(2000),
  /** The sealed layout root. */
  layout: z.object({ hash: Sha256, sizeBytes: z.int().positive() }),
  /** Its bytes, standard base64: without them a device pays two round trips more before the first byte. */
  layoutRoot: z.base64().max(22_000).optional(),
  /** Stored bytes of all frames of this version, for reports and progress. */
  storedBytes: z.int().nonnegative(),
  /** Gateways that hold the content, best first. */
  sources: z.array(z.object({ gatewayId: GatewayId, name: z.string().max(255), url: z.url() })).max(50),
  /** Cloud distribution points that hold it: after the gateways, since their bytes cost money. */
  points: z
    .array(z.object({ pointId: CloudPointId, name: z.string().max(255) }))
    .max(50)
    .default([]),
  /** Distribution points that were not chosen, and why. */
  passedOver: z
    .array(z.object({ name: z.string().max(255), problem: Problem }))
    .max(100)
    .default([]),
})
export type ContentGrant = z.infer<typeof ContentGrant>

export const ContentTokenAnswer = z.object({
  /** JWT, `typ` content+jwt, EdDSA, 24 hours, bound to the device certificate by `cnf`. */
  token: z.string().max(100_000),
  expiresAt: z.iso.datetime(),
  grants: z.array(ContentGrant),
  refused: z.array(z.object({ contentId: ContentId, problem: Problem })),
})
export type ContentTokenAnswer = z.infer<typeof ContentTokenAnswer>

/** Claims of the content token, checked by the gateway. */
export const ContentTokenClaims = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.literal('sluice-content'),
  exp: z.int(),
  iat: z.int(),
  jti: z.string(),
  cnf: z.object({ 'x5t#S256': z.string() }),
  contents: z.array(ContentId).min(1).max(500),
})
export type ContentTokenClaims = z.infer<typeof ContentTokenClaims>

/** Largest page that comes with its address, and bytes of all pages of one answer. */
export const PAGE_WITH_ADDRESS_BYTES = 64 * 1024
export const PAGES_OF_ANSWER_BYTES = 512 * 1024

/** Asks a gateway for signed addresses of objects that the token covers. */
export const ContentUrlsRequest = z.object({
  token: z.string().max(100_000),
  /** Addresses of this cloud distribution point; of the gateway's own store when absent. */
  point: CloudPointId.optional(),
  objects: z
    .array(z.object({ contentId: ContentId, kind: ObjectKind, hash: Sha256 }))
    .min(1)
    .max(256),
  /** Small pages that lie at the gateway itself shall come at once: that saves a round trip. */
  withPages: z.boolean().optional(),
})
export type ContentUrlsRequest = z.infer<typeof ContentUrlsRequest>

export const ContentUrlsAnswer = z.object({
  /** In the order of the request. */
  objects: z.array(
    z.union([
      z.object({
        hash: Sha256,
        url: z.url().max(4000),
        expiresAt: z.iso.datetime(),
        /** Of a page, sealed as it is stored, standard base64. */
        page: z.base64().max(88_000).optional(),
      }),
      z.object({ hash: Sha256, problem: Problem }),
    ]),
  ),
})
export type ContentUrlsAnswer = z.infer<typeof ContentUrlsAnswer>
