/**
 * Status messages: taken from the devices, each once, and given to whoever watches.
 *
 * 1. A message is (device, boot, sequence number). What was there already is acknowledged again and
 *    changes nothing (REL-15).
 * 2. The answer is sent when every message of the request is durable.
 * 3. Listeners see a new message in the transaction that stores it: what they derive from it is
 *    there exactly when the message is.
 * 4. Cursors become visible in rising order (`nextNumbers`), so "everything after n" misses nothing.
 */
import { type CollectionId, type DeviceId, type StatusAnswer, type StatusEntry, StatusMessage } from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import { type Clock, timestamp } from '../clock.ts'
import { nextNumbers } from '../db/counter.ts'
import type { Database } from '../db/database.ts'
import type { DeviceHandler } from '../device-plane/handler.ts'
import type { RequireDevice } from '../devices/admission.ts'
import { createBell } from './bell.ts'

const MAX_WAIT_MS = 30_000
/** Another process of the site may have taken a message: look without being told. */
const LOOK_AGAIN_MS = 1_000

/** Derives something from a new message; what it throws stops the message from being taken. */
export type StatusListener = (
  trx: Transaction<Database>,
  event: { deviceId: DeviceId; receivedAt: number; message: StatusMessage },
) => Promise<void>

export interface StatusQuery {
  /** Only entries with a larger cursor; 0 for all. */
  after: number
  deviceId?: DeviceId | undefined
  /** Only of their present members. */
  collections?: readonly CollectionId[] | undefined
  /** How long to wait for the first entry when there is none; at most 30,000. */
  waitMs: number
  /** Entries of the answer. */
  limit: number
  signal: AbortSignal
}

export interface Status {
  /** The route `status`. */
  handler: DeviceHandler<'status'>
  /** The oldest first. */
  entries(query: StatusQuery): Promise<StatusEntry[]>
}

/** Who may read status messages need not be allowed to read variables and logs: those the debugger's desk shows. */
function forEverybody(message: StatusMessage): StatusMessage {
  const { event } = message
  if (event.kind !== 'debugState') return message
  const { log: _, ...state } = event.state
  const variablesLeftOut = state.variablesLeftOut + state.variables.length
  return { ...message, event: { ...event, state: { ...state, variables: [], variablesLeftOut } } }
}

export function createStatus(options: {
  db: Kysely<Database>
  clock: Clock
  requireDevice: RequireDevice
  listeners: readonly StatusListener[]
}): Status {
  const { db, clock, requireDevice, listeners } = options
  const bell = createBell()

  async function take(deviceId: DeviceId, messages: StatusMessage[]): Promise<void> {
    const receivedAt = clock.now()
    await db.transaction().execute(async (trx) => {
      const first = await nextNumbers(trx, 'status', messages.length) // 4.
      const stored = await trx
        .insertInto('status_messages')
        .values(
          messages.map((message, i) => ({
            cursor: first + i,
            device_id: deviceId,
            boot_id: message.bootId,
            seq: message.seq,
            received_at: receivedAt,
            message: JSON.stringify(message),
          })),
        )
        .onConflict((conflict) => conflict.columns(['device_id', 'boot_id', 'seq']).doNothing()) // 1.
        .returning('cursor')
        .execute()
      const fresh = new Set(stored.map((row) => row.cursor))
      for (const [i, message] of messages.entries())
        if (fresh.has(first + i))
          for (const listener of listeners) await listener(trx, { deviceId, receivedAt, message }) // 3.
    })
    bell.ring()
  }

  async function read({ after, deviceId, collections, limit }: StatusQuery): Promise<StatusEntry[]> {
    const rows = await db
      .selectFrom('status_messages')
      .select(['cursor', 'device_id', 'received_at', 'message'])
      .where('cursor', '>', after)
      .$if(deviceId !== undefined, (query) => query.where('device_id', '=', deviceId as DeviceId))
      .$if(collections !== undefined, (query) =>
        query.where('device_id', 'in', (eb) =>
          eb
            .selectFrom('collection_members')
            .select('collection_members.device_id')
            .where('collection_id', 'in', collections ?? []),
        ),
      )
      .orderBy('cursor')
      .limit(limit)
      .execute()
    return rows.map((row) => ({
      cursor: row.cursor,
      deviceId: row.device_id,
      receivedAt: timestamp(row.received_at),
      message: forEverybody(StatusMessage.parse(JSON.parse(row.message))),
    }))
  }

  return {
    async handler({ caller, body }) {
      const device = await requireDevice(caller)
      await take(device.id, body.messages)
      const answer: StatusAnswer = { accepted: body.messages.length } // 2.
      return { kind: 'json', body: answer }
    },

    async entries(query) {
      const deadline = performance.now() + Math.min(query.waitMs, MAX_WAIT_MS)
      for (;;) {
        const heard = bell.listen()
        const entries = await read(query)
        const leftMs = deadline - performance.now()
        if (entries.length > 0 || leftMs <= 0 || query.signal.aborted) return entries
        await heard(Math.min(leftMs, LOOK_AGAIN_MS), query.signal)
      }
    },
  }
}
