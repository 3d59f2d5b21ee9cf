/**
 * Signed addresses of objects: asked for in batches, used until shortly before they expire, renewed
 * in the background. They never appear in a log.
 *
 *   U1. A content comes from one source at a time. When that fails, its addresses are forgotten and
 *       the next source is asked; a source that is the only one is tried on.
 *   U2. Addresses of cloud storage are asked for at any gateway; those of a gateway's folder at it.
 *   U3. An address that is refused although it should hold is the fault of its source, whose key may have
 *       been withdrawn.
 *   U4. What a source refuses for good is no end while the content has another: then it only failed.
 *   U5. What the device itself is held by, its schedule, its budget or its own certificate and token, never
 *       counts against a source.
 *   U6. A gateway that joined lately does not know what a content consisted of before, and refuses it. For
 *       who was told to fetch it there, it is gone.
 *   U7. A small page may come with its address. It is as good as one that was fetched: whoever takes it checks it.
 */
import type { ObjectName } from '@sluice/content'
import {
  type ContentGrant,
  type ContentId,
  failed,
  ok,
  type Problem,
  problem,
  type Result,
  readProblem,
} from '@sluice/protocol'
import type { GatewayClient, ObjectTarget } from '../gateway-client/gateway-client.ts'
import type { Line } from './budget/line.ts'
import { attitudeTo } from './patience.ts'
import type { Source, Sources } from './sources.ts'

export interface NamedObject extends ObjectName {
  contentId: ContentId
}

export interface UrlBook {
  /** How to reach an object now. Problems: of the route `contentUrls`, or of this object. */
  get(object: NamedObject): Promise<Result<ObjectTarget>>
  /** The bytes that came with the address that `get` gave last, once (U7). */
  page(object: NamedObject): Uint8Array | undefined
  /**
   * What came of `target` was wrong: the next `get` gives another, or of another source. Gives the reason as
   * it is to be taken: U4 makes `CONTENT_SOURCE_FAILED` of it.
   */
  forget(object: NamedObject, reason: Problem, target: ObjectTarget): Problem
  /** What came of the address was right. */
  worked(object: NamedObject): void
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

/** About what the device asks with: nothing that another source would do better. */
const same = new Set(['CONTENT_TOKEN_REFUSED', 'CERTIFICATE_EXPIRED', 'CERTIFICATE_REVOKED', 'NOT_AUTHENTICATED'])
/** The address is to blame and not the source. */
const ofAddress = new Set(['SIGNED_URL_REFUSED', 'PACK_GONE'])

type Order = { object: NamedObject; settle: (result: Result<ObjectTarget>) => void }

/**
 * @param options.token the content token that covers a content; asked for whenever addresses are
 * @param options.grant where the content is
 */
export function createUrlBook(options: {
  client: Pick<GatewayClient, 'call' | 'objectTarget'>
  token: (contentId: ContentId) => Promise<Result<string>>
  grant: (contentId: ContentId) => Promise<Result<ContentGrant>>
  sources: Sources
  /** What may use the line; absent: everything. Pages come with addresses only where nothing limits it. */
  line?: Line | undefined
  signal: AbortSignal
}): UrlBook {
  const { client, token, grant, sources, line, signal } = options
  const known = new Map<string, { target: ObjectTarget; at: number; source: Source | undefined }>()
  const asked = new Map<string, Promise<Result<ObjectTarget>>>()
  const pages = new Map<string, Uint8Array>()
  let batch: Order[] = []

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

  const send = async (orders: Order[]) => {
    const [first] = orders
    if (first === undefined) return
    let left = orders
    let last: Result<ObjectTarget> | undefined
    try {
      for (const source of await sourcesOf(first.object.contentId)) {
        const refused = await askSource(left, source)
        last ??= refused
        if (refused === undefined) return
        left = left.filter(({ object }) => !settled.has(object))
        if (left.length === 0) return
        if (!refused.ok && same.has(refused.problem.code)) break
      }
      for (const { settle } of left) settle(last ?? failed(problem('CONTENT_NOT_DISTRIBUTED', 'There is no source.')))
    } catch (error) {
      // Only an abort comes here: whoever waits learns it from the signal.
      const aborted = failed(problem('UNREACHABLE', error instanceof Error ? error.message : String(error)))
      for (const { settle } of left) settle(aborted)
    }
  }
  const settled = new WeakSet<NamedObject>()

  /** An older site does not say where: then any gateway is asked for its own. */
  const sourcesOf = async (contentId: ContentId): Promise<(Source | undefined)[]> => {
    const granted = await grant(contentId)
    const order = granted.ok ? sources.order(granted.value) : []
    return order.length === 0 ? [undefined] : order
  }

  /** Asks one source for all; settles what it gave. Undefined when that was all, else why not. */
  const askSource = async (
    orders: readonly Order[],
    source: Source | undefined,
  ): Promise<Result<ObjectTarget> | undefined> => {
    const [first] = orders
    if (first === undefined) return undefined
    const { contentId } = first.object
    const give = (reason: Problem): Result<ObjectTarget> => {
      if (source !== undefined && !same.has(reason.code) && !ofAddress.has(reason.code))
        sources.failed(contentId, source, reason)
      return failed(reason)
    }
    const allowed = await token(contentId)
    if (!allowed.ok) return failed(allowed.problem)
    const objects = orders.map(({ object: { kind, hash } }) => ({ contentId, kind, hash }))
    const where = source?.kind === 'cloud' ? { point: source.id } : { withPages: await mayBringPages() }
    const answer = await client.call('contentUrls', {
      body: { token: allowed.value, objects, ...where },
      ...(source?.kind === 'gateway' ? { at: source.id } : {}),
      signal,
    })
    if (!answer.ok) return give(answer.problem)
    let refused: Result<ObjectTarget> | undefined
    for (const [i, { object, settle }] of orders.entries()) {
      const said = answer.value.objects[i]
      const target: Result<ObjectTarget> =
        said === undefined || said.hash !== object.hash
          ? failed(problem('BAD_ANSWER', 'contentUrls: the answer is not in the order of the request'))
          : 'problem' in said
            ? failed(goneIfRefused(readProblem(said.problem, 200)))
            : client.objectTarget(said.url)
      if (!target.ok && !ofAddress.has(target.problem.code)) {
        refused ??= give(target.problem)
        continue
      }
      settled.add(object)
      if (target.ok && said !== undefined && 'page' in said && said.page !== undefined)
        pages.set(keyOf(object), Buffer.from(said.page, 'base64'))
      settle(remember(object, target, source))
    }
    if (source !== undefined && refused === undefined) sources.chose(contentId, source)
    return refused
  }

  const mayBringPages = async () =>
    line === undefined || ((await line.admit(0)) === undefined && line.mostRangeBytes() === Number.POSITIVE_INFINITY)

  const remember = (object: NamedObject, target: Result<ObjectTarget>, source: Source | undefined) => {
    if (target.ok) known.set(keyOf(object), { target: target.value, at: performance.now(), source })
    return target
  }

  /** Its addresses are asked for anew. */
  const drop = (source: Source | undefined) => {
    for (const [key, one] of known) if (one.source?.id === source?.id) known.delete(key)
  }

  return {
    async get(object) {
      const kept = known.get(keyOf(object))
      const age = kept === undefined ? Number.POSITIVE_INFINITY : performance.now() - kept.at
      if (kept === undefined || age >= USE_MS) return ask(object)
      if (age >= RENEW_MS) void ask(object)
      return ok(kept.target)
    },
    page(object) {
      const key = keyOf(object)
      const page = pages.get(key)
      pages.delete(key)
      return page
    },
    forget(object, reason, target) {
      const kept = known.get(keyOf(object))
      // U5
      if (attitudeTo(reason) === 'hold') return reason
      if (same.has(reason.code)) {
        if (kept?.target === target) drop(kept.source)
        return reason
      }
      const final = !ofAddress.has(reason.code) && attitudeTo(reason) === 'fail'
      const failedOnly = () => problem('CONTENT_SOURCE_FAILED', `${target.url.host}: ${reason.code}: ${reason.detail}`)
      // Another stream was told before: what is used now is another address, and not to blame.
      if (kept?.target !== target) return final ? failedOnly() : reason
      const { source } = kept
      // U3
      const early = reason.code === 'SIGNED_URL_REFUSED' && performance.now() - kept.at < USE_MS
      const others =
        source !== undefined &&
        (early || !ofAddress.has(reason.code)) &&
        sources.failed(object.contentId, source, reason)
      // U1
      if (others) drop(source)
      if (ofAddress.has(reason.code) || object.kind === 'page') known.delete(keyOf(object))
      // U4
      return others && final ? failedOnly() : reason
    },
    worked(object) {
      const source = known.get(keyOf(object))?.source
      if (source !== undefined) sources.worked(object.contentId, source)
    },
  }
}

/** U6 */
const goneIfRefused = (said: Problem): Problem =>
  said.code === 'OBJECT_REFUSED' ? problem('PACK_GONE', said.detail) : said

const keyOf = ({ contentId, kind, hash }: NamedObject) => `${contentId} ${kind} ${hash}`
