/**
 * A certificate authority of the site: one key, one self-signed certificate, one purpose.
 *
 * 1. The purpose (extended key usage) and `pathlen:0` stand in the authority's own certificate, so
 *    nothing it signs can be an authority or serve another purpose.
 * 2. Key and certificate lie in one file, written at once: they cannot come apart.
 */

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { writeFileAtomic } from '@sluice/content'
import type { Sha256 } from '@sluice/protocol'
import { sha256Hex } from './certificate-request.ts'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from './x509.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 24 * 3600_000
const AUTHORITY_LIFE_MS = 20 * 365 * DAY_MS
/** Clocks of two machines may differ by this without anybody noticing (REL-20). */
const SKEW_MS = 5 * 60_000

export type Purpose = 'serverAuth' | 'clientAuth'

export interface IssuedCertificate {
  /** The certificate alone: its authority is what the other side trusts already. */
  pem: string
  /** SHA-256 of the DER bytes. */
  hash: Sha256
  serial: string
  /** Milliseconds since 1970. */
  issuedAt: number
  expiresAt: number
}

export interface Subject {
  commonName: string
  names: JsonGeneralNames
  publicKey: PublicKey | CryptoKey
  lifeMs: number
}

export interface Authority {
  /** PEM of the authority's certificate. */
  readonly certificate: string
  issue(subject: Subject): Promise<IssuedCertificate>
}

/** Makes the authority's file. @param now milliseconds since 1970 */
export async function createAuthority(path: string, name: string, purpose: Purpose, now: number): Promise<void> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const serialNumber = newSerial()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber,
    // Two sites' authorities must not look alike to software that looks at names only.
    name: `CN=${name} ${serialNumber.slice(-8)}`,
    notBefore: new Date(now - SKEW_MS),
    notAfter: new Date(now + AUTHORITY_LIFE_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true), // 1.
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage[purpose]], true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  await writeFileAtomic(path, `${certificate.toString('pem')}\n${key}\n`) // 2.
}

/** Opens an authority's file; undefined when there is none. @throws when it is damaged */
export async function openAuthority(path: string, purpose: Purpose, now: () => number): Promise<Authority | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const blocks = PemConverter.decodeWithHeaders(text)
  const certificateBytes = blocks.find((block) => block.type === 'CERTIFICATE')?.rawData
  const keyBytes = blocks.find((block) => block.type === 'PRIVATE KEY')?.rawData
  if (certificateBytes === undefined || keyBytes === undefined)
    throw new Error(`${path} does not hold certificate and key`)
  const authority = new X509Certificate(certificateBytes)
  const signingKey = await crypto.subtle.importKey('pkcs8', keyBytes, ALGORITHM, false, ['sign'])

  return {
    certificate: `${authority.toString('pem')}\n`,
    async issue({ commonName, names, publicKey, lifeMs }) {
      const issuedAt = now()
      const expiresAt = issuedAt + lifeMs
      const certificate = await X509CertificateGenerator.create({
        serialNumber: newSerial(),
        subject: [{ CN: [commonName] }],
        issuer: authority.subjectName,
        notBefore: new Date(issuedAt - SKEW_MS),
        notAfter: new Date(expiresAt),
        signingAlgorithm: ALGORITHM,
        publicKey,
        signingKey,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage[purpose]], true),
          new SubjectAlternativeNameExtension(names),
          await AuthorityKeyIdentifierExtension.create(authority.publicKey),
          await SubjectKeyIdentifierExtension.create(publicKey),
        ],
      })
      return {
        pem: `${certificate.toString('pem')}\n`,
        hash: sha256Hex(certificate.rawData),
        serial: certificate.serialNumber,
        issuedAt,
        expiresAt: certificate.notAfter.getTime(),
      }
    },
  }
}

/** 127 random bits, positive as RFC 5280 §4.1.2.2 wants it. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return bytes.toString('hex')
}
