/**
 * One port for devices, enrolment and the site. The server name in the first bytes of a connection says
 * which TLS server it is for; that server then gets the connection whole, and decides for itself whose
 * certificate it wants: identity stays with the listener.
 */
import { createServer, type Socket } from 'node:net'
import { ENROLMENT_SERVER_NAME, LINK_SERVER_NAME, type Result } from '@sluice/protocol'
import type { ListenAddress } from '../settings/config.ts'
import type { AddressCap } from './address-cap.ts'
import { readClientHello } from './client-hello.ts'
import { listen } from './https-listener.ts'

/** Takes over a connection from its first byte. */
export type Door = (socket: Socket) => void

export interface SharedListener {
  /** `PORT_TAKEN`. */
  listen(address: ListenAddress): Promise<Result<number>>
  /** Takes no new connection; those that a door took are its own. */
  close(): void
}

export function createSharedListener(options: {
  doors: { enrolment: Door; device: Door; link: Door }
  addressCap: AddressCap
  connections: number
  /** For the first bytes. */
  handshakeTimeoutMs: number
}): SharedListener {
  const { doors, addressCap, handshakeTimeoutMs } = options
  const undecided = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    if (!addressCap.admit(socket)) return
    undecided.add(socket)
    const late = setTimeout(() => socket.destroy(), handshakeTimeoutMs)
    let bytes: Buffer = Buffer.alloc(0)
    const leave = () => {
      clearTimeout(late)
      undecided.delete(socket)
      socket.off('readable', read)
      socket.off('close', leave)
    }
    const read = () => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      const hello = readClientHello(bytes)
      if (hello.kind === 'more') return
      leave()
      if (hello.kind === 'refused') return socket.destroy()
      socket.unshift(bytes)
      if (hello.serverName === LINK_SERVER_NAME) doors.link(socket)
      else if (hello.serverName === ENROLMENT_SERVER_NAME) doors.enrolment(socket)
      else doors.device(socket)
    }
    socket.on('readable', read)
    socket.once('close', leave)
  })
  server.maxConnections = options.connections

  return {
    listen: (address) => listen(server, address),
    close() {
      if (server.listening) server.close()
      for (const socket of undecided) socket.destroy()
    },
  }
}
