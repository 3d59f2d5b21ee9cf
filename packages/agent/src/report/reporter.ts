/**
 * Sends the outbox to the site: in order, in batches, again and again until acknowledged. A message
 * that the site refuses for its form would be refused for ever and hold up all others: it alone is
 * given up, and the log says which.
 */

import { createBackoff } from '../backoff.ts'
import { createBell } from '../bell.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { Log } from '../log.ts'
import type { Outbox } from './outbox.ts'

export interface Reporter {
  start(): void
  /** Tries at once, for example because the device is online again. */
  wake(): void
  /** Ends sending; what waits stays in the outbox. */
  stop(): Promise<void>
}

export interface ReporterOptions {
  outbox: Outbox
  client: Pick<GatewayClient, 'call'>
  log: Log
  random: () => number
  /** Longest pause between two tries. */
  maxPauseMs?: number
}

/** Bounds of one request, well below those of the route. */
const MAX_MESSAGES = 200
const MAX_BYTES = 2 * 1024 * 1024
/** Nothing is waited for when the outbox is empty but the bell. */
const IDLE_MS = 3600_000

export function createReporter({ outbox, client, log, random, maxPauseMs = 60_000 }: ReporterOptions): Reporter {
  const stopped = new AbortController()
  const said = createBell()
  const online = createBell()
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    const { signal } = stopped
    const backoff = createBackoff({ firstMs: 1_000, maxMs: maxPauseMs, random })
    let limit = MAX_MESSAGES
    while (!signal.aborted) {
      const batch = outbox.batch(limit, MAX_BYTES)
      const last = batch.at(-1)
      if (last === undefined) {
        await said.wait(IDLE_MS, signal)
        continue
      }
      const answer = await client
        .call('status', { body: { messages: batch.map(({ message }) => message) }, signal })
        .catch((error: unknown) => {
          if (signal.aborted) return undefined
          throw error
        })
      if (answer === undefined) return
      if (answer.ok) {
        outbox.acknowledge(last)
        backoff.reset()
        limit = MAX_MESSAGES
        continue
      }
      const { code } = answer.problem
      if (code === 'BAD_REQUEST' || code === 'BODY_TOO_LARGE') {
        if (batch.length > 1) {
          limit = 1
          continue
        }
        log.error('the site refuses a status message for its form; it is given up', {
          problem: answer.problem,
          message: last.message,
        })
        outbox.acknowledge(last)
        continue
      }
      const waitMs = backoff.next(answer.problem)
      log.info('status messages wait', { problem: answer.problem, waitMs, waiting: outbox.count() })
      if ((await online.wait(waitMs, signal)) === 'rung') backoff.reset()
    }
  }

  return {
    start() {
      outbox.onEnqueue(() => said.ring())
      running ??= run()
    },
    wake() {
      online.ring()
    },
    async stop() {
      stopped.abort()
      await running
    },
  }
}
