/**
 * A certificate request (PKCS#10). Two things of it count: the public key, and the proof that the
 * sender has the private one. Subject and extensions are what the sender would like to be, and are
 * never looked at (SEC-19).
 */

import { createHash } from 'node:crypto'
import { failed, ok, problem, type Result, Sha256 } from '@sluice/protocol'
import { Pkcs10CertificateRequest, type PublicKey } from './x509.ts'

export interface CertificateRequest {
  publicKey: PublicKey
  /** SHA-256 of the public key's SPKI. */
  fingerprint: Sha256
}

/** @param pem bounded by the caller; @returns `BAD_REQUEST` unless it is ECDSA P-256 and signed with its own key */
export async function readCertificateRequest(pem: string): Promise<Result<CertificateRequest>> {
  try {
    const request = new Pkcs10CertificateRequest(pem)
    const { publicKey } = request
    const algorithm = publicKey.algorithm as Partial<EcKeyAlgorithm>
    if (algorithm.name !== 'ECDSA' || algorithm.namedCurve !== 'P-256')
      return refused('the key must be ECDSA on the curve P-256')
    if (!(await request.verify())) return refused('it is not signed with the key in it')
    return ok({ publicKey, fingerprint: sha256Hex(publicKey.rawData) })
  } catch {
    return refused('it is not a PKCS#10 request in PEM')
  }
}

const refused = (why: string): Result<never> =>
  failed(
    problem('BAD_REQUEST', `The certificate request cannot be used: ${why}.`, {
      errors: [{ path: 'csr', message: why }],
    }),
  )

export const sha256Hex = (bytes: ArrayBuffer | Uint8Array): Sha256 =>
  Sha256.parse(createHash('sha256').update(new Uint8Array(bytes)).digest('hex'))
