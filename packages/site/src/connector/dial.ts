/** Opens one connection to a gateway and makes sure that it is that gateway. */
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { hostOf, portOf } from '../gateways/link-address.ts'
import type { Credentials } from '../identity/site-identity.ts'

const DIAL_TIMEOUT_MS = 10_000

export interface Dialling {
  /** `host:port`. */
  address: string
  /** Name of the connection in ALPN. */
  protocol: string
  credentials: Credentials
  /** PEM: signs the certificates of gateways; nothing else is trusted. */
  gatewayAuthority: string
  /** The URI that the gateway's certificate must name: another gateway of the same site is the wrong one. */
  gatewayUri: string
  signal: AbortSignal
}

/** `UNREACHABLE`, with what was tried and why it failed. */
export function dialGateway(dialling: Dialling): Promise<Result<TLSSocket>> {
  const { address, protocol, gatewayUri, signal } = dialling
  const host = hostOf(address)
  return new Promise((resolve) => {
    const socket = connect({
      ...dialling.credentials,
      host,
      port: portOf(address),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ca: dialling.gatewayAuthority,
      minVersion: 'TLSv1.2',
      ALPNProtocols: [protocol],
      checkServerIdentity: (_host, { subjectaltname }) =>
        (subjectaltname ?? '').split(', ').includes(`URI:${gatewayUri}`)
          ? undefined
          : new Error('the certificate belongs to another gateway'),
    })
    const end = (result: Result<TLSSocket>) => {
      clearTimeout(timeout)
      signal.removeEventListener('abort', giveUp)
      socket.off('error', refused)
      socket.on('error', () => {}) // a later one is told by 'close'
      if (!result.ok) socket.destroy()
      resolve(result)
    }
    const refuse = (why: string) => end(failed(problem('UNREACHABLE', `${address}: ${why}`)))
    const refused = (cause: Error) => refuse(cause.message)
    const giveUp = () => refuse('given up')
    const timeout = setTimeout(() => refuse(`no answer in ${DIAL_TIMEOUT_MS} ms`), DIAL_TIMEOUT_MS)
    signal.addEventListener('abort', giveUp)
    if (signal.aborted) giveUp()
    socket.once('error', refused)
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol !== protocol) return refuse('it does not speak this link')
      socket.setNoDelay(true)
      end(ok(socket))
    })
  })
}
