/** What the connector counts of one connection to a gateway, over all the times that it was dialled. */
import type { Socket } from 'node:net'
import type { GatewayConnection } from '@sluice/protocol'
import { type Clock, timestamp } from '../clock.ts'
import type { LinkKind } from './link-routes.ts'
import type { LinkSession } from './link-session.ts'

export interface ConnectionFigures {
  dialled(): void
  opened(socket: Socket, session: Pick<LinkSession, 'roundTripMs'>): void
  asked(): void
  closed(): void
  read(): GatewayConnection
}

export function createConnectionFigures(kind: LinkKind, clock: Clock): ConnectionFigures {
  let since = clock.now()
  let open: { socket: Socket; session: Pick<LinkSession, 'roundTripMs'> } | undefined
  let requests = 0
  let dials = 0
  /** Of connections that are closed. */
  const before = { sent: 0, received: 0 }
  return {
    dialled: () => void dials++,
    opened(socket, session) {
      open = { socket, session }
      since = clock.now()
    },
    asked: () => void requests++,
    closed() {
      if (open === undefined) return
      before.sent += open.socket.bytesWritten
      before.received += open.socket.bytesRead
      open = undefined
      since = clock.now()
    },
    read() {
      const roundTripMs = open?.session.roundTripMs()
      return {
        kind,
        state: open === undefined ? 'down' : 'up',
        since: timestamp(since),
        ...(roundTripMs === undefined ? {} : { roundTripMs }),
        requests,
        sentBytes: before.sent + (open?.socket.bytesWritten ?? 0),
        receivedBytes: before.received + (open?.socket.bytesRead ?? 0),
        dials,
      }
    },
  }
}
