/**
 * The link as the rest of the gateway sees it: ask the site, or hear that it cannot be reached.
 *
 * Owns the accepted connections and their streams of events. Does not own: what an event means (the
 * callbacks), and how a connection proves that it is the site's (`listener.ts`).
 *
 * 1. Every process of the site has two connections, and says on each which process it is. Of one process
 *    the newest connection of each kind counts; an older one ends what it has under way.
 * 2. A control connection counts only while its stream of events talks; a silent one is cut, so that the
 *    site dials again.
 * 3. Requests go to the connections that count in turn. One that breaks costs the requests under way on
 *    it; those that may be repeated are asked once more, of another one.
 */
import {
  failed,
  LINK_CONTROL,
  LinkEvent,
  LinkInstance,
  linkBounds,
  linkPaths,
  problem,
  type Result,
} from '@sluice/protocol'
import { type Log, reason } from '../log.ts'
import { readJson } from './json.ts'
import { readLines } from './lines.ts'
import type { LinkAnswer, LinkRequest, LinkSession } from './session.ts'

export type LinkKind = 'control' | 'bulk'

/** What a device is told to wait when there is no site, in milliseconds. */
const RETRY_AFTER_MS = 5_000
const EVENTS_TIMEOUT_MS = 10_000
const INSTANCE_BYTES = 4 * 1024

export interface Link {
  /** `SITE_UNREACHABLE` with advice when to retry. */
  request(kind: LinkKind, request: RepeatableRequest): Promise<Result<LinkAnswer>>
  /** Resolves when there is a connection of this kind, or when the signal says so. */
  ready(kind: LinkKind, signal: AbortSignal): Promise<void>
  isUp(): boolean
  /** How many connections of each kind count. */
  connections(): Record<LinkKind, number>
  /** Takes over a connection that proved to be the site's. */
  adopt(kind: LinkKind, session: LinkSession): void
  /** Ends the control connections; the site dials anew at once. */
  redial(why: string): void
  /** Ends all connections; everybody has been told when it returns. */
  close(): Promise<void>
}

export interface RepeatableRequest extends LinkRequest {
  /** It does no harm when the site carries it out twice (3). */
  repeatable?: boolean
}

export interface LinkOptions {
  log: Log
  /** @returns why the connection is of no use */
  onEvent: (event: LinkEvent) => string | undefined
  onChange: (up: boolean) => void
}

/** One connection that was accepted. */
interface Member {
  session: LinkSession
  /** Which process of the site; undefined until it said so. */
  instance: string | undefined
  /** It may be asked. */
  counts: boolean
  /** Another one took its place: what it has under way may end. */
  retired: boolean
  /** Ends its stream of events. */
  stopListening: () => void
}

export function createLink({ log, onEvent, onChange }: LinkOptions): Link {
  const members: Record<LinkKind, Set<Member>> = { control: new Set(), bulk: new Set() }
  const waiting: Record<LinkKind, Set<() => void>> = { control: new Set(), bulk: new Set() }
  const ending = new Set<Promise<void>>()

  const counting = (kind: LinkKind): Member[] => [...members[kind]].filter(({ counts }) => counts)

  /** The one whose turn it is goes to the end of the row (3). */
  function next(kind: LinkKind, besides?: Member): Member | undefined {
    const member = counting(kind).find((one) => one !== besides)
    if (member === undefined) return undefined
    members[kind].delete(member)
    members[kind].add(member)
    return member
  }

  /** Asks a new connection whose it is, and lets it take its place. */
  async function introduce(kind: LinkKind, member: Member): Promise<void> {
    const { session } = member
    try {
      const answer = await session.request({ method: 'GET', path: linkPaths.instance, timeoutMs: EVENTS_TIMEOUT_MS })
      if (!answer.ok) throw new Error(answer.problem.detail)
      member.instance = LinkInstance.parse(await readJson(answer.value, INSTANCE_BYTES)).instance
      if (kind === 'control') await listen(member)
      else takePlace(kind, member)
    } catch (thrown) {
      // One that was replaced still has requests under way.
      if (!member.retired) session.destroy(reason(thrown))
    }
  }

  /** 1 */
  function takePlace(kind: LinkKind, member: Member): void {
    const up = counting('control').length > 0
    member.counts = true
    for (const older of members[kind])
      if (older !== member && older.instance === member.instance) {
        older.counts = false
        older.retired = true
        older.stopListening()
        older.session.retire()
      }
    for (const done of waiting[kind]) done()
    if (kind !== 'control') return
    log.info('link.up')
    if (!up) onChange(true)
  }

  /** @throws when the stream ends, or is not what it should be */
  async function listen(member: Member): Promise<void> {
    const answer = await member.session.request({ method: 'GET', path: linkPaths.events, timeoutMs: EVENTS_TIMEOUT_MS })
    if (!answer.ok || answer.value.status !== 200) throw new Error('the site has no events for this gateway')
    const { body } = answer.value
    member.stopListening = () => body.destroy()
    let silence: NodeJS.Timeout | undefined
    const listenFurther = () => {
      clearTimeout(silence)
      silence = setTimeout(() => body.destroy(new Error('the site fell silent')), linkBounds.silenceTimeoutMs) // 2
      silence.unref()
    }
    try {
      listenFurther()
      for await (const line of readLines(body, linkBounds.lineBytes)) {
        listenFurther()
        const event = LinkEvent.safeParse(JSON.parse(line))
        // An event that this version does not know is not for it.
        if (!event.success) {
          log.warn('link.event-unknown', { reason: event.error.issues[0]?.message })
          continue
        }
        if (!member.counts && event.data.kind !== 'configuration')
          throw new Error('the first event is no configuration')
        const why = onEvent(event.data)
        if (why !== undefined) throw new Error(why)
        if (!member.counts && !member.retired) takePlace('control', member)
      }
    } finally {
      clearTimeout(silence)
    }
    throw new Error('the events ended')
  }

  const unreachable = (): Result<LinkAnswer> => failed(problem('SITE_UNREACHABLE', 'There is no link.'))

  return {
    isUp: () => counting('control').length > 0,
    connections: () => ({ control: counting('control').length, bulk: counting('bulk').length }),
    async request(kind, request) {
      const first = next(kind)
      let answer = (await first?.session.request(request)) ?? unreachable()
      if (!answer.ok && request.repeatable === true && request.signal?.aborted !== true)
        answer = (await next(kind, first)?.session.request(request)) ?? answer
      if (!answer.ok) answer.problem.retryAfterMs = RETRY_AFTER_MS
      return answer
    },
    ready(kind, signal) {
      if (counting(kind).length > 0 || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const done = () => {
          waiting[kind].delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        waiting[kind].add(done)
        signal.addEventListener('abort', done)
      })
    },
    adopt(kind, session) {
      const member: Member = { session, instance: undefined, counts: false, retired: false, stopListening: () => {} }
      members[kind].add(member)
      log.info('link.connected', { connection: kind })
      void introduce(kind, member)
      const ended = session.closed.then((why) => {
        ending.delete(ended)
        log.info('link.ended', { connection: kind, reason: why })
        const up = counting('control').length > 0
        members[kind].delete(member)
        if (up && counting('control').length === 0) onChange(false)
      })
      ending.add(ended)
    },
    redial(why) {
      for (const { session } of members.control) session.destroy(why)
    },
    async close() {
      for (const { session } of [...members.control, ...members.bulk]) session.destroy('the gateway ends')
      await Promise.all(ending)
    },
  }
}

/** Which of the two connections an ALPN name stands for. */
export const linkKind = (protocol: string): LinkKind => (protocol === LINK_CONTROL ? 'control' : 'bulk')
