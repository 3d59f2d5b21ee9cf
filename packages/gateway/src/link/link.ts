/**
 * The link as the rest of the gateway sees it: ask the site, or hear that it cannot be reached.
 *
 * Owns the two accepted connections and the stream of events. Does not own: what an event means
 * (the callbacks), and how a connection proves that it is the site's (`listener.ts`).
 *
 * 1. The newest connection of each kind counts; an older one ends what it has under way.
 * 2. The control connection counts as the link only while its stream of events talks; a silent one
 *    is cut, so that the site dials again.
 */
import { failed, LINK_CONTROL, LinkEvent, linkBounds, linkPaths, problem, type Result } from '@sluice/protocol'
import { type Log, reason } from '../log.ts'
import { readLines } from './lines.ts'
import type { LinkAnswer, LinkRequest, LinkSession } from './session.ts'

export type LinkKind = 'control' | 'bulk'

/** What a device is told to wait when there is no site, in milliseconds. */
const RETRY_AFTER_MS = 5_000
const EVENTS_TIMEOUT_MS = 10_000

export interface Link {
  /** `SITE_UNREACHABLE` with advice when to retry. */
  request(kind: LinkKind, request: LinkRequest): Promise<Result<LinkAnswer>>
  /** Resolves when there is a connection of this kind, or when the signal says so. */
  ready(kind: LinkKind, signal: AbortSignal): Promise<void>
  isUp(): boolean
  /** How many connections of each kind there are. */
  connections(): Record<LinkKind, number>
  /** Takes over a connection that proved to be the site's. */
  adopt(kind: LinkKind, session: LinkSession): void
  /** Ends the control connection; the site dials anew at once. */
  redial(why: string): void
  /** Ends both connections; everybody has been told when it returns. */
  close(): Promise<void>
}

export interface LinkOptions {
  log: Log
  /** @returns why the connection is of no use */
  onEvent: (event: LinkEvent) => string | undefined
  onChange: (up: boolean) => void
}

export function createLink({ log, onEvent, onChange }: LinkOptions): Link {
  const sessions: Partial<Record<LinkKind, LinkSession>> = {}
  const waiting: Record<LinkKind, Set<() => void>> = { control: new Set(), bulk: new Set() }
  const ending = new Set<Promise<void>>()
  let talking: LinkSession | undefined
  /** Ends the stream of events of the control connection that counts. */
  let stopListening = () => {}

  async function listen(session: LinkSession): Promise<void> {
    const answer = await session.request({ method: 'GET', path: linkPaths.events, timeoutMs: EVENTS_TIMEOUT_MS })
    if (!answer.ok || answer.value.status !== 200) return session.destroy('the site has no events for this gateway')
    const { body } = answer.value
    const end = (why: string) => {
      // One that was replaced still has requests under way.
      if (sessions.control === session) session.destroy(why)
    }
    if (sessions.control !== session) body.destroy()
    else stopListening = () => body.destroy()
    let silence: NodeJS.Timeout | undefined
    const listenFurther = () => {
      clearTimeout(silence)
      silence = setTimeout(() => end('the site fell silent'), linkBounds.silenceTimeoutMs) // 2
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
        const first = talking !== session
        if (first && event.data.kind !== 'configuration') return end('the first event is no configuration')
        const why = onEvent(event.data)
        if (why !== undefined) return end(why)
        if (first && sessions.control === session) {
          talking = session
          log.info('link.up')
          onChange(true)
        }
      }
      end('the events ended')
    } catch (thrown) {
      end(reason(thrown))
    } finally {
      clearTimeout(silence)
    }
  }

  return {
    isUp: () => talking !== undefined,
    connections: () => ({
      control: sessions.control === undefined ? 0 : 1,
      bulk: sessions.bulk === undefined ? 0 : 1,
    }),
    async request(kind, request) {
      const session = sessions[kind]
      const answer =
        session === undefined
          ? failed<LinkAnswer>(problem('SITE_UNREACHABLE', 'There is no link.'))
          : await session.request(request)
      if (!answer.ok) answer.problem.retryAfterMs = RETRY_AFTER_MS
      return answer
    },
    ready(kind, signal) {
      if (sessions[kind] !== undefined || signal.aborted) return Promise.resolve()
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
      sessions[kind]?.retire() // 1
      sessions[kind] = session
      log.info('link.connected', { connection: kind })
      if (kind === 'control') {
        stopListening()
        void listen(session)
      }
      for (const done of waiting[kind]) done()
      const ended = session.closed.then((why) => {
        ending.delete(ended)
        log.info('link.ended', { connection: kind, reason: why })
        if (sessions[kind] === session) delete sessions[kind]
        if (talking !== session) return
        talking = undefined
        onChange(false)
      })
      ending.add(ended)
    },
    redial: (why) => sessions.control?.destroy(why),
    async close() {
      for (const session of Object.values(sessions)) session.destroy('the gateway ends')
      await Promise.all(ending)
    },
  }
}

/** Which of the two connections an ALPN name stands for. */
export const linkKind = (protocol: string): LinkKind => (protocol === LINK_CONTROL ? 'control' : 'bulk')
