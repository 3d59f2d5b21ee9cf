/**
 * TLS as every listener speaks it (design §5): 1.2 at least, suites with authenticated encryption
 * only, and no resumption by ticket or session id. A resumed session would carry a client
 * certificate past its expiry (security-reliability §0, finding 2).
 */
import { constants } from 'node:crypto'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import { listenerBounds } from './listener-bounds.ts'

const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':')

/** Session ids need a `resumeSession` listener, and there is none. */
export function secureOptions(
  certificate: string,
  key: string,
  { handshakeTimeoutMs } = listenerBounds,
): SecureContextOptions & TlsOptions {
  return {
    cert: certificate,
    key,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: handshakeTimeoutMs,
  }
}
