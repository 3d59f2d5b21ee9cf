/**
 * Processes of one site tell each other which devices shall ask for policy: the one that made a change may
 * have no link to a gateway that another one has. By `LISTEN` and `NOTIFY` of PostgreSQL, on a connection of
 * its own; with SQLite there is one process, and nobody to tell.
 *
 * N1. Only a hint: what is said while nobody listens is lost, and the next poll of the device makes it good.
 * N2. What is heard is not passed on, and what a process said itself it does not hear.
 * N3. A gateway that was told already is not told again by the others.
 */
import { DeviceId, GatewayId } from '@sluice/protocol'
import { type Kysely, sql } from 'kysely'
import pg from 'pg'
import { z } from 'zod'
import type { Database, DatabaseLocation } from '../db/database.ts'
import type { Log } from '../log.ts'
import { parseJson } from '../problem-document.ts'

const CHANNEL = 'sluice_sync'
/** A notification of PostgreSQL has fewer than 8,000 bytes. */
const NAMED_DEVICES = 100
/** For more than that, everybody is told: gateways spread over time what one message asks for. */
const MOST_DEVICES = 1_000
const MOST_GATEWAYS = 50
const CONNECT_TIMEOUT_MS = 10_000
const RETRY_MS = 2_000

const Hint = z.strictObject({
  from: z.string().max(100),
  /** Were told already. */
  told: z.array(GatewayId).max(MOST_GATEWAYS),
  /** Absent: all. */
  devices: z.array(DeviceId).max(NAMED_DEVICES).optional(),
})
export type Hint = z.infer<typeof Hint>

export interface Neighbours {
  /** Returns at once. @param told gateways that need not be told again */
  tell(told: readonly GatewayId[], devices?: readonly DeviceId[]): void
  stop(): Promise<void>
}

/** @param onListening each time that it begins to hear */
export function listenToNeighbours(options: {
  db: Kysely<Database>
  location: Pick<DatabaseLocation, 'kind'> & { url?: string }
  onHeard: (hint: Hint) => void
  onListening?: () => void
  log: Log
}): Neighbours {
  const { db, location, onHeard, onListening = () => {}, log } = options
  if (location.kind !== 'postgres') return { tell: () => {}, stop: async () => {} }
  const from = crypto.randomUUID()
  const stopped = new AbortController()

  function take(text: string): void {
    const hint = Hint.safeParse(parseJson(Buffer.from(text))?.value)
    if (!hint.success) log.warn('a hint of another process cannot be read')
    else if (hint.data.from !== from) onHeard(hint.data) // N2
  }

  async function listenOnce(): Promise<void> {
    const client = new pg.Client({
      connectionString: location.url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: 'sluice-site neighbours',
      keepAlive: true,
    })
    const ended = new Promise<void>((resolve) => {
      client.once('end', resolve)
      client.on('error', () => resolve())
      stopped.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    client.on('notification', ({ payload = '' }) => take(payload))
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
      if (!stopped.signal.aborted) onListening()
      await ended
    } finally {
      await client.end().catch(() => {})
    }
  }

  async function listen(): Promise<void> {
    while (!stopped.signal.aborted) {
      await listenOnce().catch((error: unknown) => log.warn('other processes of the site are not heard', { error }))
      await pause(RETRY_MS * (0.5 + Math.random()), stopped.signal)
    }
  }
  const listening = listen()

  async function say(told: readonly GatewayId[], devices: readonly DeviceId[] | undefined): Promise<void> {
    const hint: Hint = {
      from,
      told: told.slice(0, MOST_GATEWAYS),
      ...(devices === undefined ? {} : { devices: [...devices] }),
    }
    await sql`select pg_notify(${CHANNEL}, ${JSON.stringify(hint)})`.execute(db)
  }

  return {
    tell(told, devices) {
      const named = devices !== undefined && devices.length > MOST_DEVICES ? [undefined] : portions(devices)
      Promise.all(named.map((some) => say(told, some))).catch((error: unknown) =>
        log.warn('other processes of the site were not told', { error }),
      )
    },
    async stop() {
      stopped.abort()
      await listening
    },
  }
}

function portions(devices: readonly DeviceId[] | undefined): (readonly DeviceId[] | undefined)[] {
  if (devices === undefined) return [undefined]
  return Array.from({ length: Math.ceil(devices.length / NAMED_DEVICES) }, (_, i) =>
    devices.slice(i * NAMED_DEVICES, (i + 1) * NAMED_DEVICES),
  )
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
