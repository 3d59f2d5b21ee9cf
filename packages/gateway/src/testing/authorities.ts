/** The site's own authorities, and certificates of every kind that may come to a gateway's door. */
import { join } from 'node:path'
import { type DeviceId, deviceUri, type Sha256, type SiteId } from '@sluice/protocol'
import { type Authority, createAuthority, openAuthority, type Purpose } from '../../../site/src/identity/authority.ts'
import { PemConverter } from '../../../site/src/identity/x509.ts'

/** Key and certificate in PEM. */
export interface Credentials {
  key: string
  cert: string
  /** SHA-256 of the certificate's DER bytes. */
  hash: Sha256
}

/** By which the tests reach a server. */
const SERVER_NAMES = [
  { type: 'ip', value: '127.0.0.1' },
  { type: 'dns', value: 'gateway.example' },
] as const

const DAY_MS = 24 * 3600_000

export interface TestAuthority {
  /** PEM. */
  certificate: string
  /**
   * Issues a certificate for a new key.
   * @param uri in the subject alternative name, beside the names of a server
   * @param issuedAt milliseconds since 1970; now when absent
   */
  issue(uri: string, more?: { issuedAt?: number; lifeMs?: number }): Promise<Credentials>
}

export async function makeAuthority(folder: string, name: string, purpose: Purpose): Promise<TestAuthority> {
  const path = join(folder, `${name}.pem`)
  await createAuthority(path, name, purpose, Date.now() - 400 * DAY_MS)
  const open = async (now: number): Promise<Authority> => {
    const authority = await openAuthority(path, purpose, () => now)
    if (authority === undefined) throw new Error(`${path} is gone`)
    return authority
  }
  return {
    certificate: (await open(Date.now())).certificate,
    async issue(uri, { issuedAt = Date.now(), lifeMs = 30 * DAY_MS } = {}) {
      const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
      const { pem, hash } = await (await open(issuedAt)).issue({
        commonName: 'whatever',
        names: [{ type: 'url', value: uri }, ...(purpose === 'serverAuth' ? SERVER_NAMES : [])],
        publicKey: keys.publicKey,
        lifeMs,
      })
      const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
      return { key, cert: pem, hash }
    },
  }
}

/** A device certificate as the site issues it. */
export const issueDevice = (
  authority: TestAuthority,
  siteId: SiteId,
  deviceId: DeviceId,
  more: { issuedAt?: number; lifeMs?: number } = {},
): Promise<Credentials> => authority.issue(deviceUri(siteId, deviceId), more)
