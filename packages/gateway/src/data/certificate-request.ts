/** Keys of this gateway, and requests to sign them. A key is made here and goes nowhere. */
import { crypto as acme } from 'acme-client'

/** PEM of a new P-256 key. */
export const makeKey = async (): Promise<string> => (await acme.createPrivateEcdsaKey('P-256')).toString()

/** PKCS#10 in PEM. What the certificate says is for who signs it to decide. */
export async function requestFor(commonName: string, key: string): Promise<string> {
  const [, csr] = await acme.createCsr({ commonName }, key)
  return csr.toString()
}

/** A certificate for a moment in which nobody looks at it. */
export async function selfSigned(name: string, key: string): Promise<string> {
  // The library makes such ones for one purpose only; the name has to look like that of a host.
  const identifier = { type: 'dns', value: name.replace('_', '-') }
  const [, certificate] = await acme.createAlpnCertificate(
    { identifier, status: 'pending', challenges: [], url: '' } as Parameters<typeof acme.createAlpnCertificate>[0],
    name,
    key,
  )
  return certificate.toString()
}
