/**
 * Writes down when and where devices were seen, and what they said about themselves.
 *
 * 1. News (another gateway, other facts, another agent) is durable before the poll is answered.
 * 2. That a device was here again is written for all of a moment in one statement: a change each would be
 *    most of what thousands of polls cost. A crash loses `GATHER_MS` of it, and the next poll makes it good.
 * 3. A device that asks more often than `SEEN_RESOLUTION_MS` is not written down each time.
 */
import type { AgentInfo, DeviceFacts, DeviceId, GatewayId, PolicyRequest } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import type { RememberedDevice } from './admission.ts'

const SEEN_RESOLUTION_MS = 30_000
const GATHER_MS = 500
/** Devices of one statement. */
const DEVICES = 500

export interface SeenDevice {
  life?: PolicyRequest['life']
  gatewayId: GatewayId
  facts: DeviceFacts
  agent: AgentInfo
}

export interface LastSeen {
  /** @param remembered as it was just read; undefined: not known */
  saw(id: DeviceId, seen: SeenDevice, remembered?: RememberedDevice | undefined): Promise<void>
  /** Resolves when everything that was seen is written down. */
  settle(): Promise<void>
}

export function createLastSeen({ db, clock, log }: { db: Kysely<Database>; clock: Clock; log: Log }): LastSeen {
  /** Milliseconds since 1970, by device. */
  const again = new Map<DeviceId, number>()
  let writing = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  async function write(): Promise<void> {
    const all = [...again]
    again.clear()
    for (let at = 0; at < all.length; at += DEVICES) {
      const part = all.slice(at, at + DEVICES)
      const latest = Math.max(...part.map(([, seenAt]) => seenAt))
      const ids = part.map(([id]) => id)
      await db.updateTable('devices').set({ last_seen_at: latest }).where('id', 'in', ids).execute()
    }
  }

  function settle(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (again.size > 0)
      writing = writing
        .then(write)
        .catch((error: unknown) => log.warn('it was not written down which devices were seen', { error }))
    return writing
  }

  return {
    settle,
    async saw(id, { gatewayId, facts, agent }, remembered) {
      const now = clock.now()
      const news = { last_gateway_id: gatewayId, facts: JSON.stringify(facts), agent: JSON.stringify(agent) }
      const isNews =
        remembered?.lastGatewayId !== gatewayId || remembered.facts !== news.facts || remembered.agent !== news.agent
      if (!isNews) {
        if ((remembered.lastSeenAt ?? 0) > now - SEEN_RESOLUTION_MS) return // 3
        again.set(id, now) // 2
        timer ??= setTimeout(settle, GATHER_MS).unref()
        return
      }
      await db
        .updateTable('devices')
        .set({ ...news, last_seen_at: now })
        .where('id', '=', id)
        .where((eb) =>
          eb.or([
            eb('last_seen_at', 'is', null),
            eb('last_seen_at', '<=', now - SEEN_RESOLUTION_MS),
            eb('last_gateway_id', '!=', news.last_gateway_id),
            eb('facts', '!=', news.facts),
            eb('agent', '!=', news.agent),
          ]),
        )
        .execute() // 1
    },
  }
}
