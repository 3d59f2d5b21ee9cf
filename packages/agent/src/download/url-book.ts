/**
 * Signed addresses of objects: asked for in batches, used until shortly before they expire, renewed
 * in the background. They never appear in a log.
 */
import type { ObjectName } from '@sluice/content'
import { type ContentId, failed, ok, problem, type Result, readProblem } from '@sluice/protocol'
import type { GatewayClient, ObjectTarget } from '../gateway-client/gateway-client.ts'

export interface NamedObject extends ObjectName {
  contentId: ContentId
}

export interface UrlBook {
  /** How to reach an object now. Problems: of the route `contentUrls`, or of this object. */
  get(object: NamedObject): Promise<Result<ObjectTarget>>
  /** The address did not work: the next `get` asks for another. */
  forget(object: NamedObject): void
}

/** The route takes so many at once. */
const BATCH = 256
/** How long the first question of a batch waits for others: far less than any of them takes. */
const GATHER_MS = 3
/**
 * How long an address is used: a signed one holds five minutes (design §4). Counted by the device's own
 * rising clock from its arrival, so that wrong clocks do no harm (REL-20).
 */
const USE_MS = 240_000
/** From this age on a new one is asked for while the old is used. */
const RENEW_MS = 180_000

/** @param token the content token that covers a content; asked for whenever addresses are */
export function createUrlBook(options: {
  client: Pick<GatewayClient, 'call' | 'objectTarget'>
  token: (contentId: ContentId) => Promise<Result<string>>
  signal: AbortSignal
}): UrlBook {
  const { client, token, signal } = options
  const known = new Map<string, { target: ObjectTarget; at: number }>()
  const asked = new Map<string, Promise<Result<ObjectTarget>>>()
  let batch: { object: NamedObject; settle: (result: Result<ObjectTarget>) => void }[] = []

  const ask = (object: NamedObject): Promise<Result<ObjectTarget>> => {
    const key = keyOf(object)
    const running = asked.get(key)
    if (running !== undefined) return running
    const answer = new Promise<Result<ObjectTarget>>((settle) => {
      // Everything that is asked for in this moment goes out together.
      if (batch.length === 0) setTimeout(flush, GATHER_MS)
      batch.push({ object, settle })
    }).finally(() => asked.delete(key))
    asked.set(key, answer)
    return answer
  }

  const flush = () => {
    const all = batch
    batch = []
    for (const one of Map.groupBy(all, ({ object }) => object.contentId).values())
      for (let from = 0; from < one.length; from += BATCH) void send(one.slice(from, from + BATCH))
  }

  const send = async (orders: typeof batch) => {
    const settleAll = (result: Result<ObjectTarget>) => {
      for (const { settle } of orders) settle(result)
    }
    try {
      const [first] = orders
      if (first === undefined) return
      const allowed = await token(first.object.contentId)
      if (!allowed.ok) return settleAll(allowed)
      const objects = orders.map(({ object: { contentId, kind, hash } }) => ({ contentId, kind, hash }))
      const answer = await client.call('contentUrls', { body: { token: allowed.value, objects }, signal })
      if (!answer.ok) return settleAll(answer)
      for (const [i, { object, settle }] of orders.entries()) {
        const said = answer.value.objects[i]
        if (said === undefined || said.hash !== object.hash)
          settle(failed(problem('BAD_ANSWER', 'contentUrls: the answer is not in the order of the request')))
        else if ('problem' in said) settle(failed(readProblem(said.problem, 200)))
        else settle(remember(object, client.objectTarget(said.url)))
      }
    } catch (error) {
      // Only an abort comes here: whoever waits learns it from the signal.
      settleAll(failed(problem('UNREACHABLE', error instanceof Error ? error.message : String(error))))
    }
  }

  const remember = (object: NamedObject, target: Result<ObjectTarget>): Result<ObjectTarget> => {
    if (target.ok) known.set(keyOf(object), { target: target.value, at: performance.now() })
    return target
  }

  return {
    async get(object) {
      const kept = known.get(keyOf(object))
      const age = kept === undefined ? Number.POSITIVE_INFINITY : performance.now() - kept.at
      if (kept === undefined || age >= USE_MS) return ask(object)
      if (age >= RENEW_MS) void ask(object)
      return ok(kept.target)
    },
    forget(object) {
      known.delete(keyOf(object))
    },
  }
}

const keyOf = ({ contentId, kind, hash }: NamedObject) => `${contentId} ${kind} ${hash}`
