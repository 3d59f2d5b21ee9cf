/** What a listener for devices allows in time; those that every listener shares are of the protocol (SEC-53). */
import { deviceBounds } from '@sluice/protocol'

export interface ListenerBounds {
  headersTimeoutMs: number
  requestTimeoutMs: number
  idleTimeoutMs: number
  handshakeTimeoutMs: number
  /** Between two looks at all connections. */
  checkIntervalMs: number
  /** A body may come, and an answer may be taken, as slowly as it likes for this long. */
  slowGraceMs: number
  /** Bytes a second of a body afterwards, on average. */
  leastBodyRate: number
  /** Bytes a second of an answer afterwards. An agent gives up at this rate too. */
  leastReadRate: number
  /** Between two looks whether those who are being answered may still be here. */
  identityIntervalMs: number
  /** A connection older than this ends with its next answer: who it is, is proved anew (SEC-58). */
  connectionAgeMs: number
}

export const listenerBounds: ListenerBounds = {
  headersTimeoutMs: deviceBounds.headersTimeoutMs,
  requestTimeoutMs: deviceBounds.requestTimeoutMs,
  idleTimeoutMs: deviceBounds.idleTimeoutMs,
  handshakeTimeoutMs: deviceBounds.handshakeTimeoutMs,
  checkIntervalMs: 5_000,
  slowGraceMs: 10_000,
  leastBodyRate: 1_024,
  leastReadRate: 1_024,
  identityIntervalMs: 15_000,
  connectionAgeMs: 15 * 60_000,
}
