/** What the kernel still holds of connections to a port of this machine: sent by one side, not read by the other. */
import { existsSync, readFileSync } from 'node:fs'

/** Bytes, of both directions together; 0 where the system does not tell. */
export function bytesOnTheWire(port: number): number {
  if (!existsSync('/proc/net/tcp')) return 0
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', remote = '']) => local.endsWith(end) || remote.endsWith(end))
    .flatMap(([, , , , queues = '']) => queues.split(':'))
    .reduce((sum, hex) => sum + (Number.parseInt(hex, 16) || 0), 0)
}
