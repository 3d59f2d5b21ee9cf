/** Proof that this computer has the key of a certificate of its organisation's PKI, for the enrolment. */
import { createPrivateKey, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  type EnrolmentRequest,
  failed,
  ok,
  organisationProofText,
  problem,
  type Result,
  type SiteId,
} from '@sluice/protocol'

/** Paths of PEM files. */
export interface OrganisationCertificate {
  certificate: string
  key: string
}

/** `CONFIGURATION_INVALID` when a file cannot be used; undefined where there is no such certificate. */
export async function organisationProof(
  files: OrganisationCertificate | undefined,
  siteId: SiteId,
  csr: string,
): Promise<Result<EnrolmentRequest['organisation']>> {
  if (files === undefined) return ok(undefined)
  try {
    const certificate = await readFile(files.certificate, 'utf8')
    const key = createPrivateKey(await readFile(files.key, 'utf8'))
    const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
    const proof = sign(algorithm, Buffer.from(organisationProofText(siteId, csr)), key)
    return ok({ certificate, proof: proof.toString('base64') })
  } catch (error) {
    // A fault of the key file must not quote it.
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read'
    return failed(problem('CONFIGURATION_INVALID', `organisationCertificate: ${why}`))
  }
}
