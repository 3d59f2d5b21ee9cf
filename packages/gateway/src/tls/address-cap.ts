/** How many connections one address may have, and how fast it may make them; before any handshake costs something. */
import type { Socket } from 'node:net'
import { addressKey, createRateLimiter } from '../device-plane/rate-limit.ts'
import type { GatewayLimits } from '../settings/config.ts'

export interface AddressCap {
  /** Counts a connection until it closes; one that is too many is destroyed. @returns whether it may stay */
  admit(socket: Socket): boolean
}

export function createAddressCap(limits: Pick<GatewayLimits, 'connectionsPerAddress' | 'rates'>): AddressCap {
  const open = new Map<string, number>()
  const counted = new WeakSet<Socket>()
  const rate = createRateLimiter(limits.rates.connections)
  return {
    admit(socket) {
      // It may come by a second time, when it is handed over.
      if (counted.has(socket)) return true
      counted.add(socket)
      const address = addressKey(socket.remoteAddress ?? '')
      const count = (open.get(address) ?? 0) + 1
      open.set(address, count)
      socket.once('close', () => {
        const left = (open.get(address) ?? 1) - 1
        if (left === 0) open.delete(address)
        else open.set(address, left)
      })
      if (count <= limits.connectionsPerAddress && rate.take(address) === 0) return true
      socket.destroy()
      return false
    },
  }
}
