/**
 * A listener for devices: HTTP/1.1 over TLS with its bounds on time, size and number. What a
 * request means is not decided here.
 */
import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { deviceBounds, failed, ok, problem, type Result, type Sha256 } from '@sluice/protocol'
import type { GatewayLimits, ListenAddress } from '../settings/config.ts'
import type { AddressCap } from './address-cap.ts'
import { certificateHash } from './device-certificate.ts'
import type { ListenerBounds } from './listener-bounds.ts'
import { secureOptions } from './secure-options.ts'
import type { ServerCertificate } from './server-certificate.ts'
import { dropSlowReaders } from './slow-readers.ts'

export interface HttpsListener {
  /** Starts to listen; gives the port. `PORT_TAKEN`. */
  listen(address: ListenAddress): Promise<Result<number>>
  /** Takes over a connection that another listener accepted, from its first byte. */
  accept(socket: Socket): void
  /** New connections are shown this certificate; those that there are go on. */
  setCertificate(next: ServerCertificate): void
  /** Names the authorities to the other side in the handshake; who is admitted is decided per request. */
  setAuthorities(pem: string): void
  /** How many connections there are, those in their handshake included. */
  connections(): number
  /** Cuts every connection that was made with one of these certificates, in the middle of whatever it does. */
  cut(certificates: Iterable<Sha256>): void
  /** Takes no new connection, lets requests end for `drainMs` milliseconds, then cuts what is left. */
  close(drainMs: number): Promise<void>
}

export interface HttpsListenerOptions {
  /** PEM. */
  certificate: string
  key: string
  /** Ask for a client certificate. */
  wantsCertificate: boolean
  limits: Pick<GatewayLimits, 'connections'>
  addressCap: AddressCap
  bounds: ListenerBounds
  onRequest: (request: IncomingMessage, response: ServerResponse) => void
}

export function createHttpsListener(options: HttpsListenerOptions): HttpsListener {
  const { limits, bounds } = options
  let secure = secureOptions(options.certificate, options.key, bounds)
  let authorities: { ca?: string } = {}
  let tracking = false
  const server = createServer({
    ...secure,
    requestCert: options.wantsCertificate,
    // The library's verdict is not used: it is about one moment, and says only the last of several faults.
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    maxHeaderSize: deviceBounds.headerBytes,
    headersTimeout: bounds.headersTimeoutMs,
    requestTimeout: bounds.requestTimeoutMs,
    keepAliveTimeout: bounds.idleTimeoutMs,
    connectionsCheckingInterval: bounds.checkIntervalMs,
    noDelay: true,
  })
  server.maxConnections = limits.connections
  server.setTimeout(bounds.idleTimeoutMs)
  // Bounded by their bytes: what goes beyond a number would be left out silently.
  server.maxHeadersCount = 0
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (performance.now() - sockets.since(request.socket) >= bounds.connectionAgeMs) response.shouldKeepAlive = false
    options.onRequest(request, response)
  }
  server.on('request', onRequest)
  // Without these the library would say "100 Continue" before the request was judged.
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', onRequest)
  // The TCP connection, before any handshake.
  server.prependListener('connection', (socket: Socket) => options.addressCap.admit(socket))
  const sockets = trackSockets(server)
  const stopDropping = dropSlowReaders(sockets.secure, bounds)

  return {
    listen: (address) => listen(server, address),
    accept(socket) {
      // A server that never listened does not look after the times of its requests until it is told to.
      if (server.listenerCount('listening') > 0 && !tracking) server.emit('listening')
      tracking = true
      if (sockets.count() < limits.connections) server.emit('connection', socket)
      else socket.destroy()
    },
    setCertificate({ certificate, key }) {
      secure = secureOptions(certificate, key, bounds)
      server.setSecureContext({ ...secure, ...authorities })
    },
    setAuthorities(pem) {
      authorities = { ca: pem }
      server.setSecureContext({ ...secure, ...authorities })
    },
    connections: () => sockets.count(),
    cut(certificates) {
      for (const hash of certificates) for (const socket of sockets.withCertificate(hash)) socket.destroy()
    },
    async close(drainMs) {
      stopDropping()
      // Without a port of its own it says so; its connections end all the same.
      server.close(() => {})
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const end = setTimeout(() => sockets.destroyAll(), drainMs)
      await sockets.gone()
      clearInterval(idle)
      clearTimeout(end)
    },
  }
}

/** Starts a server; a port that is taken is an expected failure. */
export function listen(server: import('node:net').Server, { host, port }: ListenAddress): Promise<Result<number>> {
  return new Promise((resolve, reject) => {
    const refused = (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') resolve(failed(problem('PORT_TAKEN', `${host}:${port} is in use.`)))
      else if (cause.code === 'EACCES' || cause.code === 'EADDRNOTAVAIL')
        resolve(failed(problem('CONFIGURATION_INVALID', `Cannot listen on ${host}:${port}: ${cause.message}`)))
      else reject(cause)
    }
    server.once('error', refused)
    server.listen({ host, port }, () => {
      server.off('error', refused)
      const address = server.address()
      resolve(ok(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}

function trackSockets(server: Server) {
  const raw = new Set<Socket>()
  /** When each was proved who it is, by a clock that only rises. */
  const secure = new Map<Socket, number>()
  const waiting: (() => void)[] = []
  const byCertificate = new Map<Sha256, Set<TLSSocket>>()
  server.on('connection', (socket: Socket) => {
    raw.add(socket)
    socket.once('close', () => {
      raw.delete(socket)
      if (raw.size === 0) for (const done of waiting.splice(0)) done()
    })
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    secure.set(socket, performance.now())
    socket.once('close', () => secure.delete(socket))
    const certificate = peerCertificate(socket)
    if (certificate === undefined) return
    const hash = certificateHash(certificate)
    const same = byCertificate.get(hash) ?? new Set()
    byCertificate.set(hash, same.add(socket))
    socket.once('close', () => {
      same.delete(socket)
      if (same.size === 0) byCertificate.delete(hash)
    })
  })
  return {
    secure: { [Symbol.iterator]: () => secure.keys() as MapIterator<TLSSocket> },
    /** Milliseconds, as `performance.now()` counts them; now for a connection that is not known. */
    since: (socket: Socket): number => secure.get(socket) ?? performance.now(),
    count: () => raw.size,
    /** Resolves when there is no connection any more. */
    gone: () => (raw.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))),
    withCertificate: (hash: Sha256): Iterable<TLSSocket> => [...(byCertificate.get(hash) ?? [])],
    destroyAll(): void {
      for (const socket of raw) socket.destroy()
    },
  }
}

/** The certificate that the other side proved to own. */
export function peerCertificate(socket: Socket): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
}
