/**
 * The listener for the connector of the site. A connection counts only when its certificate is of
 * the link authority *and* names the connector of this site: the same authority may sign others.
 */
import type { Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { connectorUri, LINK_BULK, LINK_CONTROL, type Result, type SiteId } from '@sluice/protocol'
import type { Log } from '../log.ts'
import type { ListenAddress, TlsMaterial } from '../settings/config.ts'
import { listen } from '../tls/https-listener.ts'
import { secureOptions } from '../tls/secure-options.ts'
import type { ServerCertificate } from '../tls/server-certificate.ts'
import { type Link, linkKind } from './link.ts'
import { createLinkSession } from './session.ts'

/** A site that starts anew may for a moment have more than two. */
const MAX_CONNECTIONS = 32

export interface LinkListener {
  /** `PORT_TAKEN`. */
  listen(address: ListenAddress): Promise<Result<number>>
  /** Takes over a connection that another listener accepted, from its first byte. */
  accept(socket: Socket): void
  /** New connections are shown this certificate. */
  setCertificate(next: ServerCertificate): void
  close(): Promise<void>
}

export function createLinkListener(options: { tls: TlsMaterial; siteId: SiteId; link: Link; log: Log }): LinkListener {
  const { tls, link, log } = options
  const wanted = `URI:${connectorUri(options.siteId)}`
  const server = createServer({
    ...secureOptions(tls.certificate, tls.key),
    requestCert: true,
    rejectUnauthorized: true,
    ca: tls.linkAuthority,
    ALPNProtocols: [LINK_CONTROL, LINK_BULK],
  })
  server.maxConnections = MAX_CONNECTIONS
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    // One that was handed over is not counted by the server.
    if (sockets.size >= MAX_CONNECTIONS) return socket.destroy()
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => {})
    const refuse = (why: string) => {
      log.warn('link.refused', { reason: why, address: socket.remoteAddress })
      socket.destroy()
    }
    const names = (socket.getPeerX509Certificate()?.subjectAltName ?? '').split(', ')
    if (!names.includes(wanted)) return refuse('the certificate is not the connector of this site')
    if (typeof socket.alpnProtocol !== 'string') return refuse('it does not say which connection it is')
    socket.setNoDelay(true)
    link.adopt(linkKind(socket.alpnProtocol), createLinkSession(socket))
  })
  server.on('tlsClientError', (cause, socket) => {
    log.warn('link.refused', { reason: cause.message, address: socket.remoteAddress })
  })

  return {
    listen: (address) => listen(server, address),
    accept: (socket) => void server.emit('connection', socket),
    setCertificate: ({ certificate, key }) =>
      server.setSecureContext({ ...secureOptions(certificate, key), ca: tls.linkAuthority }),
    async close() {
      server.close(() => {})
      const told = link.close()
      // Also those that never finished their handshake, or were replaced and linger.
      for (const socket of sockets) socket.destroy()
      await told
    },
  }
}
