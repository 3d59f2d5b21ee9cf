/**
 * How a gateway comes to its site. The site prints a code; whoever sets up the gateway types it there.
 * The gateway makes its key, listens, and the site dials it, each proving itself: the site by its
 * certificate, whose authority is in the code, the gateway by the secret in it. Then the gateway asks for
 * its certificate, once.
 */
import { z } from 'zod'
import { GatewayId, SiteId } from './ids.ts'
import { LinkAddress } from './link.ts'
import { failed, ok, problem, type Result } from './problem.ts'

/** ALPN protocol name of the one connection. */
export const LINK_JOIN = 'sluice-join/1'

const Pem = z.string().max(20_000)

export const JoinCode = z.object({
  v: z.literal(1),
  siteId: SiteId,
  gatewayId: GatewayId,
  /** 32 random bytes in base64url; the site keeps its hash. */
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  /** PEM of the authority that signs the connector's certificate. */
  linkAuthority: Pem,
  deviceUrl: z.url(),
  enrolmentUrl: z.url(),
  linkAddress: LinkAddress,
})
export type JoinCode = z.infer<typeof JoinCode>

/** POST `linkPaths.join`. */
export const JoinRequest = z.strictObject({
  secret: JoinCode.shape.secret,
  /** PKCS#10 in PEM for the gateway's key. */
  csr: z.string().max(8_000),
})
export type JoinRequest = z.infer<typeof JoinRequest>

/** Answer to `JoinRequest`, and to a renewal. */
export const GatewayCertificate = z.object({
  /** PEM chain for the key of the request. */
  certificate: z.string().max(40_000),
})
export type GatewayCertificate = z.infer<typeof GatewayCertificate>

/** POST `linkPaths.certificate`: a new certificate for the same gateway; the old one goes on to count. */
export const CertificateRenewal = z.strictObject({ csr: JoinRequest.shape.csr })

const PREFIX = 'sluice-join-'
const MAX_CODE_CHARACTERS = 40_000

/** One word without blanks. */
export function writeJoinCode(code: JoinCode): string {
  const bytes = new TextEncoder().encode(JSON.stringify(code))
  const text = btoa(String.fromCharCode(...bytes))
  return `${PREFIX}${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
}

/** `BAD_REQUEST` when it is no code, or not whole. */
export function readJoinCode(text: string): Result<JoinCode> {
  const word = text.replaceAll(/\s/g, '')
  const wrong = failed<JoinCode>(problem('BAD_REQUEST', 'This is no join code, or a part of it is missing.'))
  if (!word.startsWith(PREFIX) || word.length > MAX_CODE_CHARACTERS) return wrong
  try {
    const bytes = atob(word.slice(PREFIX.length).replaceAll('-', '+').replaceAll('_', '/'))
    const json: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))))
    const parsed = JoinCode.safeParse(json)
    return parsed.success ? ok(parsed.data) : wrong
  } catch {
    return wrong
  }
}
