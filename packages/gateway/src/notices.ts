/**
 * The devices that listen: each agent keeps one request open, and hears on it that policy is worth
 * asking for (design §5). Nothing is stored for who does not listen: an agent that comes back asks
 * by itself.
 *
 * 1. One request for a device: a newer one ends the older.
 * 2. One timer for all of them: ten thousand that are idle cost memory for their connections only.
 * 3. A device that may no longer be here is cut at the next beat, within `aliveIntervalMs`.
 * 4. What everybody does at once is spread, so that a gateway or site that restarts is not run over.
 */
import type { ServerResponse } from 'node:http'
import { type DeviceId, type DeviceNotice, noticeBounds, problem } from '@sluice/protocol'
import { sendProblem } from './device-plane/answer.ts'
import type { RouteHandler } from './device-plane/dispatch.ts'

/** Devices that are made to ask each second; a quarter of what gateway and site must carry (design §8). */
const ASKING_PER_SECOND = 500
const BUSY_RETRY_MS = 5 * 60_000
/** A device that does not read gets no more to hold, in bytes. */
const UNREAD_BYTES = 16 * 1024

export interface Notices {
  handler: RouteHandler
  /** Tells these devices, or all that listen, that policy may be other than before. */
  sync(devices?: readonly DeviceId[]): void
  /** How many listen. */
  count(): number
  /** Ends all of them in good order. */
  stop(): void
}

interface Listener {
  response: ServerResponse
  mayStay: () => boolean
}

/** @param cap how many may listen at once @param aliveIntervalMs between two beats */
export function createNotices(cap: number, aliveIntervalMs: number = noticeBounds.aliveIntervalMs): Notices {
  const listeners = new Map<DeviceId, Listener>()
  let stopped = false

  const spreadMs = (devices: number) =>
    Math.min(noticeBounds.longestSpreadMs, Math.floor((devices * 1000) / ASKING_PER_SECOND)) // 4

  function say({ response }: Listener, notice: DeviceNotice): void {
    if (response.writableLength > UNREAD_BYTES) response.destroy()
    else response.write(`${JSON.stringify(notice)}\n`)
  }

  // 2
  const beat = setInterval(() => {
    const notice: DeviceNotice = { kind: 'alive', spreadMs: spreadMs(listeners.size) }
    for (const listener of listeners.values()) {
      if (listener.mayStay()) say(listener, notice)
      else listener.response.destroy() // 3
    }
  }, aliveIntervalMs)
  beat.unref()

  return {
    async handler({ caller, mayStay, response }) {
      if (caller.identity !== 'device') throw new Error('only devices listen')
      const { deviceId } = caller
      const older = listeners.get(deviceId)
      if (stopped || (older === undefined && listeners.size >= cap))
        return sendProblem(response, problem('BUSY', 'Too many listen.', { retryAfterMs: BUSY_RETRY_MS }))
      const listener = { response, mayStay }
      listeners.set(deviceId, listener)
      older?.response.end() // 1
      response.once('close', () => {
        if (listeners.get(deviceId) === listener) listeners.delete(deviceId)
      })
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
      say(listener, { kind: 'alive', spreadMs: spreadMs(listeners.size) })
    },
    sync(devices) {
      const told = devices === undefined ? [...listeners.values()] : devices.flatMap((id) => listeners.get(id) ?? [])
      const notice: DeviceNotice = { kind: 'sync', spreadMs: spreadMs(told.length) }
      for (const listener of told) say(listener, notice)
    },
    count: () => listeners.size,
    stop() {
      stopped = true
      clearInterval(beat)
      for (const { response } of listeners.values()) response.end()
    },
  }
}
