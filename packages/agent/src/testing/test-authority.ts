/** A certificate authority for tests: real keys and certificates, made in memory. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  bitString,
  commonName,
  context,
  ecdsaWithSha256,
  element,
  oid,
  sequence,
  smallInteger,
  toPem,
} from '../identity/der.ts'

export interface TestAuthority {
  /** PEM. */
  certificate: string
  /** A certificate in PEM for a public key. */
  issue(order: CertificateOrder): string
}

export interface CertificateOrder {
  publicKey: KeyObject
  /** IPv4 address or URI in the subject alternative name. */
  name: { ip: string } | { uri: string }
  /** Milliseconds from now. */
  fromMs?: number
  untilMs?: number
}

const HOUR_MS = 3600_000

export function createTestAuthority(): TestAuthority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = commonName(`authority ${randomBytes(4).toString('hex')}`)
  const build = (subject: Buffer, key: KeyObject, extensions: Buffer[], fromMs: number, untilMs: number) => {
    const body = sequence(
      context(0, smallInteger(2)),
      element(0x02, Buffer.from([1]), randomBytes(15)),
      ecdsaWithSha256,
      issuer,
      sequence(time(fromMs), time(untilMs)),
      subject,
      key.export({ type: 'spki', format: 'der' }),
      context(3, sequence(...extensions)),
    )
    return toPem('CERTIFICATE', sequence(body, ecdsaWithSha256, bitString(sign('sha256', body, privateKey))))
  }
  const isAuthority = extension('2.5.29.19', sequence(element(0x01, Buffer.from([0xff]))))
  return {
    certificate: build(issuer, publicKey, [isAuthority], -HOUR_MS, 24 * HOUR_MS),
    issue({ publicKey: key, name, fromMs = -HOUR_MS, untilMs = 24 * HOUR_MS }) {
      const value =
        'ip' in name
          ? element(0x87, Buffer.from(name.ip.split('.').map(Number)))
          : element(0x86, Buffer.from(name.uri, 'ascii'))
      return build(commonName('test'), key, [extension('2.5.29.17', sequence(value))], fromMs, untilMs)
    },
  }
}

/** Key and certificate of a server on 127.0.0.1, in PEM. */
export function issueServer(authority: TestAuthority, name = '127.0.0.1'): { key: string; cert: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: authority.issue({ publicKey: createPublicKey(privateKey), name: { ip: name } }),
  }
}

const extension = (id: string, value: Buffer) => sequence(oid(id), element(0x04, value))

/** GeneralizedTime. */
const time = (fromNowMs: number) =>
  element(0x18, Buffer.from(`${new Date(Date.now() + fromNowMs).toISOString().replace(/[-:T]|\..*/g, '')}Z`, 'ascii'))
