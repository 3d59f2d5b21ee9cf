/**
 * Identifiers. Each is an opaque string with a prefix that says what it names, branded so that
 * a device id cannot be passed where a deployment id is wanted. Package ids keep the form that
 * administrators know from Configuration Manager (`ABC00001`).
 */
import { z } from 'zod'

const opaque = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[0-9a-z]{10,40}$`))

export const SiteId = opaque('site').brand<'SiteId'>()
export type SiteId = z.infer<typeof SiteId>

export const DeviceId = opaque('dev').brand<'DeviceId'>()
export type DeviceId = z.infer<typeof DeviceId>

export const GatewayId = opaque('gw').brand<'GatewayId'>()
export type GatewayId = z.infer<typeof GatewayId>

/** A cloud distribution point. */
export const CloudPointId = opaque('dp').brand<'CloudPointId'>()
export type CloudPointId = z.infer<typeof CloudPointId>

/** What holds content: a content-enabled gateway, or a cloud distribution point. */
export const DistributionPointId = z.union([GatewayId, CloudPointId])
export type DistributionPointId = z.infer<typeof DistributionPointId>

export const PointGroupId = opaque('dpg').brand<'PointGroupId'>()
export type PointGroupId = z.infer<typeof PointGroupId>

export const CollectionId = opaque('col').brand<'CollectionId'>()
export type CollectionId = z.infer<typeof CollectionId>

export const SequenceId = opaque('seq').brand<'SequenceId'>()
export type SequenceId = z.infer<typeof SequenceId>

export const DeploymentId = opaque('dep').brand<'DeploymentId'>()
export type DeploymentId = z.infer<typeof DeploymentId>

export const RunId = opaque('run').brand<'RunId'>()
export type RunId = z.infer<typeof RunId>

export const JobId = opaque('job').brand<'JobId'>()
export type JobId = z.infer<typeof JobId>

export const TokenId = opaque('tok').brand<'TokenId'>()
export type TokenId = z.infer<typeof TokenId>

/** A person who administers. */
export const AdministratorId = opaque('adm').brand<'AdministratorId'>()
export type AdministratorId = z.infer<typeof AdministratorId>

/** A token of the admin API; `TokenId` names those with which devices enrol. */
export const ApiTokenId = opaque('api').brand<'ApiTokenId'>()
export type ApiTokenId = z.infer<typeof ApiTokenId>

/** Three letters or digits of the site, then five hexadecimal digits: `ABC00001`. */
export const PackageId = z
  .string()
  .regex(/^[A-Z0-9]{3}[0-9A-F]{5}$/, 'a package id such as ABC00001')
  .brand<'PackageId'>()
export type PackageId = z.infer<typeof PackageId>

/** SHA-256 as 64 lower-case hexadecimal digits. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .brand<'Sha256'>()
export type Sha256 = z.infer<typeof Sha256>

/** A content version: the SHA-256 of its manifest root's bytes. It never changes meaning. */
export const ContentId = Sha256.brand<'ContentId'>()
export type ContentId = z.infer<typeof ContentId>

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * Makes the text of a new id from random bytes, 5 bits a character.
 * @param prefix such as `dev`; @param random at least 16 random bytes, given by the caller (this
 * package has no source of randomness).
 */
export function idFromRandom(prefix: string, random: Uint8Array): string {
  let text = ''
  for (const byte of random.subarray(0, 20)) text += ALPHABET[byte & 31]
  return `${prefix}_${text}`
}
