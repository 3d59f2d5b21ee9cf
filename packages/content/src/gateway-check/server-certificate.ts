/** The certificate that a gateway shows, judged as an agent judges it, but with every reason by its name. */
import { X509Certificate } from 'node:crypto'
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls'
import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import { checkBounds, dial, type Place, reasonOf } from './dial.ts'

const DAY_MS = 24 * 3600_000
/** As gateways and sites warn first. */
const WARN_DAYS = 30

export interface Shown {
  certificate: X509Certificate
  /** What the library says of its chain; undefined when that leads to a trusted authority. */
  chainFault: string | undefined
  /** Of its name; undefined when it is right. */
  nameFault: string | undefined
  version: string | null
}

/** A handshake with one version of TLS and no certificate of our own. `TLS_REFUSED`, and what `dial` gives. */
export async function shake(
  place: Place,
  version: 'TLSv1.2' | 'TLSv1.3',
  authorities: readonly string[],
  signal: AbortSignal,
): Promise<Result<Shown>> {
  const dialled = await dial(place, signal)
  if (!dialled.ok) return dialled
  return await new Promise((resolve) => {
    const socket: TLSSocket = connect({
      ...{ socket: dialled.value, minVersion: version, maxVersion: version, rejectUnauthorized: false },
      ...(authorities.length === 0 ? {} : { ca: [...authorities] }),
      servername: /[a-z]/i.test(place.host) && !place.host.includes(':') ? place.host : '',
    })
    const give = (result: Result<Shown>) => {
      clearTimeout(late)
      socket.on('error', () => {}).destroy()
      resolve(result)
    }
    const refuse = (why: string) =>
      give(failed(problem('TLS_REFUSED', `${place.host}:${place.port}, ${version.replace('v', ' ')}: ${why}.`)))
    const late = setTimeout(() => refuse('no handshake in time'), checkBounds.hopMs)
    socket.once('error', (error) => refuse(reasonOf(error)))
    socket.once('close', () => refuse('the connection was closed'))
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      if (certificate === undefined) return refuse('it shows no certificate')
      const nameFault = checkServerIdentity(place.host, certificate.toLegacyObject())?.message
      const error: unknown = socket.authorizationError
      const chainFault = error === undefined || error === null ? undefined : codeOf(error)
      give(ok({ certificate, chainFault, nameFault, version: socket.getProtocol() }))
    })
  })
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error)

/** Faults of time and of name have their own words. */
const NOT_OF_THE_CHAIN = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'ERR_TLS_CERT_ALTNAME_INVALID']

/** @param now milliseconds since 1970. `soon`: valid, but not for long. */
export function judge(
  { certificate, chainFault, nameFault }: Shown,
  now: number,
): { fault: Problem } | { soon: Problem } | { fine: string } {
  const from = certificate.validFromDate.getTime()
  const until = certificate.validToDate.getTime()
  const issuer = lineOf(certificate.issuer)
  if (chainFault !== undefined && !NOT_OF_THE_CHAIN.includes(chainFault))
    return { fault: problem('GATEWAY_CERTIFICATE_UNTRUSTED', `It was issued by ${issuer} (${chainFault}).`) }
  if (nameFault !== undefined) return { fault: problem('GATEWAY_CERTIFICATE_WRONG_NAME', nameFault) }
  const span = `It is valid from ${iso(from)} to ${iso(until)}; here it is ${iso(now)}.`
  if (now < from || now > until) return { fault: problem('GATEWAY_CERTIFICATE_EXPIRED', span) }
  const days = Math.floor((until - now) / DAY_MS)
  // An authority that issues for so short a time renews in time: only the last part of a life is worth a warning.
  const warnMs = Math.min(WARN_DAYS * DAY_MS, (until - from) / 4)
  if (until - now <= warnMs) return { soon: problem('GATEWAY_CERTIFICATE_ENDS_SOON', `It ends in ${days} days.`) }
  return {
    fine: `of ${issuer}, ${keyOf(certificate)}, valid for ${days} days more; no OCSP or revocation list is needed`,
  }
}

const lineOf = (name: string | undefined): string => (name ?? 'nobody').replaceAll('\n', ', ').slice(0, 200)
const iso = (time: number): string => `${new Date(time).toISOString().slice(0, 19)}Z`

function keyOf({ publicKey }: X509Certificate): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  return `${type?.toUpperCase()} ${details?.namedCurve ?? details?.modulusLength ?? ''}`.trim()
}

/** The certificate of a PEM text, or undefined. */
export function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}
