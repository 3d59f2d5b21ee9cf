/**
 * Whether a certificate of an organisation's PKI is what it says (RFC 5280 §6), as far as a device's
 * needs it: signatures, validity, authority and path length of each issuer, use for TLS clients.
 * Critical extensions that are not understood here refuse it.
 */
import { failed, ok, problem, type Result } from '@sluice/protocol'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate,
} from './x509.ts'

const CLIENT_AUTH: string = ExtendedKeyUsage.clientAuth
/** Certificates between a device's and its root, the root included. */
const MAX_DEPTH = 6
/** basicConstraints, keyUsage, extKeyUsage, subjectAltName, certificatePolicies. */
const UNDERSTOOD = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17', '2.5.29.32'])

/** `ORGANISATION_CERTIFICATE_REFUSED` with why. */
export const refused = (why: string): Result<never> => failed(problem('ORGANISATION_CERTIFICATE_REFUSED', why))

export function readCertificate(pem: string): Result<X509Certificate> {
  try {
    return ok(new X509Certificate(pem))
  } catch {
    return refused('This is no certificate in PEM.')
  }
}

/** Why a certificate cannot be an issuer of others; undefined when it can. */
export function authorityFault(certificate: X509Certificate): string | undefined {
  const usage = certificate.getExtension(KeyUsagesExtension)
  if (certificate.getExtension(BasicConstraintsExtension)?.ca !== true) return 'it is not one of an authority'
  if (usage !== null && (usage.usages & KeyUsageFlags.keyCertSign) === 0) return 'its key may not sign certificates'
  return unknownCritical(certificate)
}

export async function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): Promise<boolean> {
  if (certificate.issuer !== issuer.subject) return false
  return await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true }).catch(() => false)
}

/**
 * Finds the way from a device's certificate to a root.
 * @param authorities that are trusted to be issuers; `root`: the way may end there
 * @returns the issuers, the nearest first
 */
export async function verifyChain<A extends { certificate: X509Certificate; root: boolean }>(
  leaf: X509Certificate,
  authorities: readonly A[],
  now: number,
): Promise<Result<A[]>> {
  const use = leaf.getExtension(ExtendedKeyUsageExtension)?.usages.map(String) ?? []
  const keyUsage = leaf.getExtension(KeyUsagesExtension)
  if (leaf.getExtension(BasicConstraintsExtension)?.ca === true) return refused('It is one of an authority.')
  if (!use.includes(CLIENT_AUTH)) return refused('It is not for client authentication.')
  if (keyUsage !== null && (keyUsage.usages & KeyUsageFlags.digitalSignature) === 0)
    return refused('Its key may not sign.')
  const unknown = unknownCritical(leaf)
  if (unknown !== undefined) return refused(`The certificate cannot be judged: ${unknown}.`)

  const chain: A[] = []
  let current = leaf
  while (chain.length < MAX_DEPTH) {
    if (now < current.notBefore.getTime() || now > current.notAfter.getTime())
      return refused(`${current.subject} is not valid now.`)
    const issuer = await findIssuer(current, authorities)
    if (issuer === undefined) return refused(`The site trusts no authority that signed ${current.subject}.`)
    const { pathLength } = issuer.certificate.getExtension(BasicConstraintsExtension) ?? {}
    // Authorities between the issuer and the device: those that are in the chain already.
    if (pathLength !== undefined && chain.length > pathLength)
      return refused(`${issuer.certificate.subject} may not have authorities below it.`)
    chain.push(issuer)
    current = issuer.certificate
    if (!issuer.root) continue
    if (now < current.notBefore.getTime() || now > current.notAfter.getTime())
      return refused(`${current.subject} is not valid now.`)
    return ok(chain)
  }
  return refused('There are too many authorities above it.')
}

async function findIssuer<A extends { certificate: X509Certificate }>(
  certificate: X509Certificate,
  authorities: readonly A[],
): Promise<A | undefined> {
  for (const authority of authorities)
    if (authorityFault(authority.certificate) === undefined && (await isSignedBy(certificate, authority.certificate)))
      return authority
  return undefined
}

function unknownCritical(certificate: X509Certificate): string | undefined {
  const unknown = certificate.extensions.find(({ critical, type }) => critical && !UNDERSTOOD.has(type))
  return unknown === undefined ? undefined : `its critical extension ${unknown.type} is not understood`
}
