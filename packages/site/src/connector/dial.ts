/** Opens one connection to a gateway and makes sure that it is that gateway. */
import type { Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { failed, LINK_SERVER_NAME, ok, problem, type Result } from '@sluice/protocol'
import { hostOf, portOf } from '../gateways/link-address.ts'
import type { Credentials } from '../identity/site-identity.ts'
import { type LinkProxy, openTunnel } from './proxy-tunnel.ts'

const DIAL_TIMEOUT_MS = 10_000

export interface Dialling {
  /** `host:port`. */
  address: string
  /** Name of the connection in ALPN. */
  protocol: string
  credentials: Credentials
  /** PEM: signs the certificates of gateways; nothing else is trusted. */
  gatewayAuthority: string
  /**
   * The URI that the gateway's certificate must name: another gateway of the same site is the wrong one.
   * `unproved` is one that has no certificate yet: it must prove itself by what it asks.
   */
  gatewayUri: string | 'unproved'
  proxy?: LinkProxy | undefined
  signal: AbortSignal
}

/** `UNREACHABLE`, with what was tried and why it failed. */
export async function dialGateway(dialling: Dialling): Promise<Result<TLSSocket>> {
  const { address, protocol } = dialling
  const signal = AbortSignal.any([dialling.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
  try {
    const tunnel = dialling.proxy === undefined ? undefined : await openTunnel(dialling.proxy, address, signal)
    const socket = await handshake(optionsOf(dialling, tunnel), signal)
    if (socket.alpnProtocol === protocol) return ok(socket)
    socket.destroy()
    return failed(problem('UNREACHABLE', `${address}: it does not speak this link`))
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    const late = signal.aborted && !dialling.signal.aborted
    return failed(problem('UNREACHABLE', `${address}: ${late ? `no answer in ${DIAL_TIMEOUT_MS} ms` : why}`))
  }
}

function optionsOf(dialling: Dialling, tunnel: Socket | undefined): ConnectionOptions {
  const { address, protocol, gatewayUri } = dialling
  return {
    ...dialling.credentials,
    ...(tunnel === undefined ? { host: hostOf(address), port: portOf(address) } : { socket: tunnel }),
    // Not its name but what is wanted of it: the certificate is known by its URI.
    servername: LINK_SERVER_NAME,
    ca: dialling.gatewayAuthority,
    rejectUnauthorized: gatewayUri !== 'unproved',
    minVersion: 'TLSv1.2',
    ALPNProtocols: [protocol],
    checkServerIdentity: (_host, { subjectaltname }) =>
      (subjectaltname ?? '').split(', ').includes(`URI:${gatewayUri}`)
        ? undefined
        : new Error('the certificate belongs to another gateway'),
  }
}

function handshake(options: ConnectionOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(options)
    const end = (cause?: Error) => {
      signal.removeEventListener('abort', giveUp)
      socket.off('error', end)
      socket.on('error', () => {}) // a later one is told by 'close'
      if (cause === undefined) return resolve(socket)
      socket.destroy()
      options.socket?.destroy()
      reject(cause)
    }
    const giveUp = () => end(new Error('given up'))
    signal.addEventListener('abort', giveUp)
    if (signal.aborted) return giveUp()
    socket.once('error', end)
    socket.once('secureConnect', () => {
      socket.setNoDelay(true)
      end()
    })
  })
}
