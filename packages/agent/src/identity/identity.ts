/**
 * Who this device is and which site it belongs to, as one file beside the keys. It is not in the
 * database: a damaged database costs history, never the identity.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  DeviceId,
  deviceUri,
  EnrolmentBundle,
  failed,
  ok,
  problem,
  type Result,
  type SiteId,
  SiteTrust,
} from '@sluice/protocol'
import { z } from 'zod'
import { writeDurable } from '../state/durable-file.ts'
import type { DeviceKeys } from './device-keys.ts'

/** Of the bundle, all that counts after enrolment: its file may be deleted then. */
const Site = EnrolmentBundle.pick({ siteId: true, gateways: true, gatewayAuthority: true, catalogueRootHash: true })

export const Identity = z.object({
  v: z.literal(1),
  site: Site,
  deviceId: DeviceId,
  /** PEM chain, the device's own certificate first. */
  certificate: z.string().max(40_000),
  trust: SiteTrust,
})
export type Identity = z.infer<typeof Identity>

const FILE = 'identity.json'

/** Undefined when the device is not enrolled, or the file is not readable: then it asks the site again. */
export async function loadIdentity(folder: string, keys: DeviceKeys): Promise<Identity | undefined> {
  try {
    const identity = Identity.parse(JSON.parse(await readFile(join(folder, FILE), 'utf8')))
    return checkIdentity(identity, keys).ok ? identity : undefined
  } catch {
    return undefined
  }
}

/** Durable when it returns. */
export async function storeIdentity(folder: string, identity: Identity): Promise<void> {
  await writeDurable(join(folder, FILE), `${JSON.stringify(identity, undefined, 2)}\n`)
}

/**
 * Everything that must hold before an identity is used: it is for this key and this site, and the
 * catalogue begins with the root that the administrator handed over. Problems: `BAD_ANSWER`, `CATALOGUE_REFUSED`.
 */
export function checkIdentity(identity: Identity, keys: DeviceKeys): Result<undefined> {
  const { site, trust } = identity
  if (trust.siteId !== site.siteId)
    return failed(problem('BAD_ANSWER', `The site says it is ${trust.siteId}; the bundle is for ${site.siteId}.`))
  const root = createHash('sha256').update(trust.catalogueRoot, 'utf8').digest('hex')
  if (root !== site.catalogueRootHash)
    return failed(problem('CATALOGUE_REFUSED', 'The first root of the catalogue is not the one that the bundle pins.'))
  return checkCertificate(identity.certificate, site.siteId, identity.deviceId, keys)
}

/** The certificate is for this key and names this device. `BAD_ANSWER` when it does not. */
export function checkCertificate(
  chain: string,
  siteId: SiteId,
  deviceId: DeviceId,
  keys: DeviceKeys,
): Result<undefined> {
  let own: X509Certificate
  try {
    own = new X509Certificate(chain)
  } catch {
    return failed(problem('BAD_ANSWER', 'The site sent something that is no certificate.'))
  }
  if (!own.checkPrivateKey(keys.identity))
    return failed(problem('BAD_ANSWER', 'The site sent a certificate for another key.'))
  const names = own.subjectAltName?.split(', ') ?? []
  if (!names.includes(`URI:${deviceUri(siteId, deviceId)}`))
    return failed(problem('BAD_ANSWER', `The site sent a certificate that does not name ${deviceId}.`))
  return ok(undefined)
}
