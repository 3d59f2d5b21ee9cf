/**
 * Live states for open pages: one line of JSON at once, one after each change, at most five a second,
 * and one as a sign of life when nothing changes. A page that reads slowly gets fewer states; it is
 * never sent a queue of old ones.
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { CenterState } from '@sluice/protocol'
import { type Bell, createBell } from '../bell.ts'

export interface EventStream {
  /** How many pages are open. */
  pages(): number
  /** Sends states until the page goes away or the stream is stopped. */
  serve(response: ServerResponse): Promise<void>
  /** Something in the state changed. */
  changed(): void
  /** Ends all pages' streams. */
  stop(): void
}

export interface EventStreamOptions {
  state: () => Promise<CenterState>
  /** Between two states of one page. */
  pauseMs?: number
  heartbeatMs?: number
}

export function createEventStream({ state, pauseMs = 200, heartbeatMs = 10_000 }: EventStreamOptions): EventStream {
  const stopped = new AbortController()
  const bells = new Set<Bell>()

  async function follow(response: ServerResponse, changes: Bell, gone: AbortSignal): Promise<void> {
    /** Nobody rings this one. */
    const pause = createBell()
    while (!gone.aborted) {
      if (!response.write(`${JSON.stringify(await state())}\n`)) await once(response, 'drain', { signal: gone })
      await pause.wait(pauseMs, gone)
      await changes.wait(heartbeatMs, gone)
    }
  }

  return {
    pages: () => bells.size,
    async serve(response) {
      const changes = createBell()
      const closed = new AbortController()
      const gone = AbortSignal.any([closed.signal, stopped.signal])
      response.on('close', () => closed.abort())
      bells.add(changes)
      try {
        await follow(response, changes, gone)
      } catch (error) {
        if (!gone.aborted) throw error
      } finally {
        bells.delete(changes)
        response.end()
      }
    },
    changed() {
      for (const bell of bells) bell.ring()
    },
    stop() {
      stopped.abort()
    },
  }
}
