/**
 * Who a device is, from its certificate alone. The TLS library is only asked which certificate the
 * other side proved to own: chain, names, purpose, time and revocation are judged here, at every
 * request, because a connection outlives all of them (SEC-58).
 *
 * 1. The issuer is one of the device authorities of the configuration, directly; what the site
 *    trusts for anything else (its own servers, the link) proves nothing here.
 * 2. The device id is the one URI of the subject alternative name; the subject is not read.
 * 3. An expired certificate counts for routes of class `deviceOrExpired`, for 90 days.
 */
import type { X509Certificate } from 'node:crypto'
import {
  DeviceId,
  EXPIRED_CERTIFICATE_GRACE_MS,
  failed,
  type IdentityClass,
  ok,
  problem,
  type Result,
  Sha256,
  type SiteId,
} from '@sluice/protocol'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
/** The site's clock may be a little ahead of the gateway's (REL-20). */
const CLOCK_SKEW_MS = 5 * 60_000

/** A certificate of a device authority. Whether it is valid now is another question. */
export interface DeviceCertificate {
  deviceId: DeviceId
  /** SHA-256 of the DER bytes. */
  hash: Sha256
  validFromMs: number
  validToMs: number
}

export const certificateHash = (certificate: X509Certificate): Sha256 =>
  Sha256.parse(certificate.fingerprint256.replaceAll(':', '').toLowerCase())

/** Reads a certificate as that of a device; undefined when it is not one of this site. */
export function readDeviceCertificate(
  certificate: X509Certificate,
  siteId: SiteId,
  authorities: readonly X509Certificate[],
): DeviceCertificate | undefined {
  const issuer = authorities.find((authority) => authority.ca && certificate.checkIssued(authority)) // 1
  if (issuer === undefined || !certificate.verify(issuer.publicKey)) return undefined
  if (certificate.ca || !certificate.keyUsage?.includes(CLIENT_AUTH)) return undefined
  const deviceId = deviceIdOf(certificate.subjectAltName, siteId)
  if (deviceId === undefined) return undefined
  return {
    deviceId,
    hash: certificateHash(certificate),
    validFromMs: Date.parse(certificate.validFrom),
    validToMs: Date.parse(certificate.validTo),
  }
}

/** @param names as the crypto library prints them: names with odd characters are in quotes and match nothing. */
function deviceIdOf(names: string | undefined, siteId: SiteId): DeviceId | undefined {
  const uris = (names ?? '').split(', ').filter((name) => name.startsWith('URI:')) // 2
  const prefix = `URI:urn:sluice:${siteId}:device:`
  if (uris.length !== 1 || !uris[0]?.startsWith(prefix)) return undefined
  return DeviceId.safeParse(uris[0].slice(prefix.length)).data
}

/** Whether the certificate admits its device to a route of this class now. Gives whether it has expired. */
export function admit(
  certificate: DeviceCertificate,
  identity: IdentityClass,
  now: number,
  revoked: (hash: Sha256) => boolean,
): Result<{ expired: boolean }> {
  if (revoked(certificate.hash)) return failed(problem('CERTIFICATE_REVOKED', 'The site revoked it.'))
  if (now < certificate.validFromMs - CLOCK_SKEW_MS)
    return failed(problem('NOT_AUTHENTICATED', 'The certificate is not valid yet: compare the clocks.'))
  if (now <= certificate.validToMs) return ok({ expired: false })
  const until = new Date(certificate.validToMs).toISOString()
  if (identity !== 'deviceOrExpired')
    return failed(problem('CERTIFICATE_EXPIRED', `It was valid until ${until}; renew it.`))
  if (now > certificate.validToMs + EXPIRED_CERTIFICATE_GRACE_MS)
    // 3
    return failed(problem('CERTIFICATE_EXPIRED', `It was valid until ${until}, too long ago to renew it.`))
  return ok({ expired: true })
}
