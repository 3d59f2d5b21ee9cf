/** Certificate revocation lists (RFC 5280 §5): complete ones, signed by the authority itself. */
import { MAX_CRL_BYTES, ok, type Result } from '@sluice/protocol'
import { refused } from './certificate-chain.ts'
import { type X509Certificate, X509Crl } from './x509.ts'

export interface RevocationList {
  issuedAt: number
  nextUpdate: number
  bytes: Uint8Array
  isRevoked(serial: string): boolean
}

/** @param bytes DER or PEM; verified against the authority, not against the time */
export async function readRevocationList(
  bytes: Uint8Array,
  authority: X509Certificate,
): Promise<Result<RevocationList>> {
  if (bytes.length > MAX_CRL_BYTES) return refused(`The list is longer than ${MAX_CRL_BYTES} bytes.`)
  let crl: X509Crl
  try {
    const text = Buffer.from(bytes.subarray(0, 11)).toString('latin1')
    crl = new X509Crl(text === '-----BEGIN ' ? Buffer.from(bytes).toString('latin1') : Buffer.from(bytes))
  } catch {
    return refused('This is no revocation list.')
  }
  if (crl.issuer !== authority.subject) return refused('The list is of another authority.')
  // Parts of a list and lists for others say so in critical extensions: taken for a whole one, they would hide the rest.
  const unknown = crl.extensions.find(({ critical }) => critical)
  if (unknown !== undefined) return refused(`Its critical extension ${unknown.type} is not understood.`)
  if (!(await crl.verify({ publicKey: authority.publicKey }).catch(() => false)))
    return refused('The authority did not sign this list.')
  if (crl.nextUpdate === undefined) return refused('The list does not say when the next one comes.')
  return ok({
    issuedAt: crl.thisUpdate.getTime(),
    nextUpdate: crl.nextUpdate.getTime(),
    bytes: new Uint8Array(crl.rawData),
    isRevoked: (serial) => crl.findRevoked(serial) !== null,
  })
}
