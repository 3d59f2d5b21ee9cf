/**
 * Status messages between *said* and *acknowledged*.
 *
 * Owns: numbering, order and bound of the messages. Does not own: sending (`reporter.ts`).
 *
 *   O1. A message is in the outbox if and only if the transaction that said it was committed.
 *   O2. (bootId, seq) names one message for ever, also after it was acknowledged, after a restart,
 *       and after the state was set aside: the boot is followed by a name of this state.
 *   O3. A message leaves only when the site has it, or when the outbox is full: then the oldest ones
 *       whose content the closing report of the run repeats make room, and one message says so.
 */
import { randomBytes } from 'node:crypto'
import { problem, type StatusEvent, type StatusMessage } from '@sluice/protocol'
import { createSettings } from '../state/settings.ts'
import type { State } from '../state/state.ts'

export interface Outbox {
  /** Says something to the site. Call it in the transaction that makes it true (O1). */
  enqueue(event: StatusEvent): void
  /** The oldest messages in order, within the bounds of one request. */
  batch(maxMessages: number, maxBytes: number): OutboxEntry[]
  /** The site has these: up to and including this entry. */
  acknowledge(upTo: OutboxEntry): void
  /** Messages that wait. */
  count(): number
  /** Calls `listener` soon after something was said. One listener. */
  onEnqueue(listener: () => void): void
}

export interface OutboxEntry {
  id: number
  message: StatusMessage
}

export interface OutboxOptions {
  state: State
  bootId: string
  /** Milliseconds since 1970. */
  now: () => number
  /** More than this wait only for a moment. */
  maxMessages?: number
}

/** Kinds that the closing report repeats, the most dispensable first. */
const dispensable = [
  'stepStarted',
  'contentReady',
  'contentHeld',
  'stepFinished',
  'agentProblem',
  'deploymentEvaluated',
] as const
/** The bound is looked at once in so many messages, and overstepped by as many at most. */
const TRIM_EVERY = 64

export function createOutbox({ state, bootId, now, maxMessages = 10_000 }: OutboxOptions): Outbox {
  const { db } = state
  const boot = `${bootId}.${generation(state)}`
  // Numbers of former boots are needed no more: nothing new is said in them.
  db.prepare('DELETE FROM outbox_sequence WHERE boot_id <> ?').run(boot)
  const next = db.prepare(
    'INSERT INTO outbox_sequence (boot_id, last) VALUES (?, 1) ON CONFLICT (boot_id) DO UPDATE SET last = last + 1 RETURNING last',
  )
  const insert = db.prepare('INSERT INTO outbox (boot_id, seq, at, kind, event) VALUES (?, ?, ?, ?, ?)')
  const oldest = db.prepare('SELECT id, boot_id, seq, at, event FROM outbox ORDER BY id LIMIT ?')
  const remove = db.prepare('DELETE FROM outbox WHERE id <= ?')
  const counted = db.prepare('SELECT count(*) AS n FROM outbox')
  const removeKind = db.prepare(
    'DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE kind = ? ORDER BY id LIMIT ?)',
  )
  let listener = () => {}
  let announced = false

  const count = () => Number(counted.get()?.n ?? 0)

  const insertEvent = (event: StatusEvent): number => {
    const seq = Number(next.get(boot)?.last)
    insert.run(boot, seq, new Date(now()).toISOString(), event.kind, JSON.stringify(event))
    return seq
  }

  /** O3 */
  const trim = () => {
    let excess = count() - maxMessages
    if (excess <= 0) return
    // A little more than needed, so that a long time offline does not end in one summary a message.
    excess += Math.ceil(maxMessages / 10)
    let removed = 0
    for (const kind of dispensable) {
      if (removed >= excess) break
      removed += Number(removeKind.run(kind, excess - removed).changes)
    }
    if (removed > 0)
      insertEvent({
        kind: 'agentProblem',
        problem: problem('STATUS_SUMMARISED', `${removed} messages made room; the report of the run repeats them.`),
      })
  }

  return {
    enqueue(event) {
      state.transaction(() => {
        if (insertEvent(event) % TRIM_EVERY === 0) trim()
      })
      if (announced) return
      announced = true
      // The transaction around is synchronous: by then it is committed or rolled back.
      setImmediate(() => {
        announced = false
        listener()
      })
    },
    batch(limit, maxBytes) {
      const entries: OutboxEntry[] = []
      let bytes = 0
      for (const row of oldest.iterate(limit)) {
        const text = String(row.event)
        bytes += Buffer.byteLength(text) + 200
        if (bytes > maxBytes && entries.length > 0) break
        entries.push({
          id: Number(row.id),
          message: {
            bootId: String(row.boot_id),
            seq: Number(row.seq),
            at: String(row.at),
            event: JSON.parse(text) as StatusEvent,
          },
        })
      }
      return entries
    },
    acknowledge(upTo) {
      remove.run(upTo.id)
    },
    count,
    onEnqueue(next) {
      listener = next
    },
  }
}

/** O2: eight digits that this state made when it was new. */
function generation(state: State): string {
  const settings = createSettings(state)
  const known = settings.get('outboxGeneration')
  if (known !== undefined) return known
  const made = randomBytes(4).toString('hex')
  settings.set('outboxGeneration', made)
  return made
}
