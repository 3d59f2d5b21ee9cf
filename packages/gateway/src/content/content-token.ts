/** Checks content tokens: the site's word for which contents a device may fetch (SEC-57). */
import { createPublicKey } from 'node:crypto'
import {
  type Caller,
  ContentTokenClaims,
  failed,
  type GatewayConfiguration,
  ok,
  problem,
  type Result,
} from '@sluice/protocol'
import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose'

/** Clocks of site and gateway may differ by this much (REL-20). */
const CLOCK_SKEW_S = 300
/** SPKI of a raw Ed25519 key (RFC 8410 §4): this, then its 32 bytes. */
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

type DeviceCaller = Extract<Caller, { identity: 'device' }>

/**
 * Verifies a token that a device showed: signed by a key of the configuration, for this use, this
 * device and this very certificate, and not expired. Anything else is `CONTENT_TOKEN_REFUSED`.
 * @param now milliseconds since 1970
 */
export async function verifyContentToken(
  token: string,
  caller: DeviceCaller,
  configuration: GatewayConfiguration,
  now: number,
): Promise<Result<ContentTokenClaims>> {
  const refused = (detail: string) => failed<ContentTokenClaims>(problem('CONTENT_TOKEN_REFUSED', detail))
  try {
    const { payload } = await jwtVerify(token, keyOf(configuration), {
      algorithms: ['EdDSA'],
      typ: 'content+jwt',
      audience: 'sluice-content',
      issuer: configuration.siteId,
      subject: caller.deviceId,
      requiredClaims: ['exp', 'iat', 'jti'],
      clockTolerance: CLOCK_SKEW_S,
      currentDate: new Date(now),
    })
    const claims = ContentTokenClaims.safeParse(payload)
    if (!claims.success) return refused('The token has not the form it must have.')
    if (claims.data.cnf['x5t#S256'] !== Buffer.from(caller.certificate, 'hex').toString('base64url'))
      // RFC 8705 §3.1
      return refused('The token belongs to another certificate.')
    return ok(claims.data)
  } catch (thrown) {
    // The library's own words name the claim, never its value.
    return refused(thrown instanceof errors.JOSEError ? `${thrown.message}.` : 'The token cannot be read.')
  }
}

function keyOf(configuration: GatewayConfiguration): JWTVerifyGetKey {
  return ({ kid }) => {
    const raw = kid === undefined ? undefined : Buffer.from(configuration.contentTokenKeys[kid] ?? '', 'base64')
    if (raw?.length !== 32) throw new errors.JWKSNoMatchingKey()
    return createPublicKey({ key: Buffer.concat([ED25519_SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
  }
}
