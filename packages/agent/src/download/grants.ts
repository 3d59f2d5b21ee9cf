/**
 * What a run may fetch: content tokens, the keys of packages, and where layouts are. Asked for once at
 * the start of the run, kept with it, and asked for again only when a token nears its end, is refused,
 * or a layout is no longer true.
 */
import type { KeyObject } from 'node:crypto'
import {
  type ContentGrant,
  type ContentId,
  ContentTokenAnswer,
  failed,
  ok,
  problem,
  type Result,
  readProblem,
} from '@sluice/protocol'
import { compactDecrypt } from 'jose'
import { z } from 'zod'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'

export interface Grants {
  /** What the site grants for a content. Its own refusal, or why the site could not be asked. */
  grant(contentId: ContentId): Promise<Result<ContentGrant>>
  /** A token that covers the content. */
  token(contentId: ContentId): Promise<Result<string>>
  /** Asks the site again: the token is refused, or the layout is no longer true. */
  renew(contentId: ContentId): Promise<Result<void>>
  /** The 32 bytes that seal the pages of the content's package. `MANIFEST_REFUSED` when they cannot be read. */
  packageKey(contentId: ContentId): Promise<Result<Uint8Array>>
}

/** The route takes so many contents at once. */
const BATCH = 500
/** A token of 24 hours is renewed when so much is left. */
const RENEW_LEFT_MS = 2 * 3600_000

/** What is kept with the run; JSON. The keys in it are sealed to the device. */
export const KeptGrants = z.object({
  v: z.literal(1),
  answers: z.array(ContentTokenAnswer),
})
export type KeptGrants = z.infer<typeof KeptGrants>

/**
 * @param options.contents of the whole deployment
 * @param options.kept what `keep` was given last
 * @param options.now milliseconds since 1970, as the site has signed it at least
 */
export function createGrants(options: {
  client: Pick<GatewayClient, 'call'>
  contents: readonly ContentId[]
  sealKey: KeyObject
  kept: KeptGrants | undefined
  keep: (grants: KeptGrants) => void
  now: () => number
  signal: AbortSignal
}): Grants {
  const { client, contents, sealKey, keep, now, signal } = options
  const answers: (ContentTokenAnswer | undefined)[] = options.kept?.answers ?? []
  const asking = new Map<number, Promise<Result<ContentTokenAnswer>>>()

  const ask = (part: number): Promise<Result<ContentTokenAnswer>> => {
    const running = asking.get(part)
    if (running !== undefined) return running
    const answer = askNow(part).finally(() => asking.delete(part))
    asking.set(part, answer)
    return answer
  }
  const askNow = async (part: number) => {
    const body = { contents: contents.slice(part * BATCH, (part + 1) * BATCH) }
    const answer = await client.call('contentToken', { body, signal })
    if (answer.ok) {
      answers[part] = answer.value
      const whole = answers.filter((one) => one !== undefined)
      // Parts that are not there yet are asked for again after a restart.
      if (whole.length === Math.ceil(contents.length / BATCH)) keep({ v: 1, answers: whole })
    }
    return answer
  }
  const partOf = (contentId: ContentId) => Math.floor(Math.max(0, contents.indexOf(contentId)) / BATCH)
  const current = async (contentId: ContentId): Promise<Result<ContentTokenAnswer>> => {
    const part = partOf(contentId)
    const answer = answers[part]
    const fresh = answer !== undefined && Date.parse(answer.expiresAt) - now() > RENEW_LEFT_MS
    const granted = answer?.grants.some((grant) => grant.contentId === contentId) === true
    if (fresh && granted) return ok(answer)
    const asked = await ask(part)
    // A token that still holds is better than none.
    return asked.ok || !granted ? asked : ok(answer)
  }

  const grant = async (contentId: ContentId): Promise<Result<ContentGrant>> => {
    const answer = await current(contentId)
    if (!answer.ok) return answer
    const granted = answer.value.grants.find((one) => one.contentId === contentId)
    if (granted !== undefined) return ok(granted)
    const refused = answer.value.refused.find((one) => one.contentId === contentId)
    return failed(
      refused === undefined
        ? problem('BAD_ANSWER', `contentToken: the site says nothing of content ${contentId}`)
        : readProblem(refused.problem, 200),
    )
  }

  return {
    grant,
    async token(contentId) {
      const answer = await current(contentId)
      return answer.ok ? ok(answer.value.token) : answer
    },
    async renew(contentId) {
      const answer = await ask(partOf(contentId))
      return answer.ok ? ok(undefined) : answer
    },
    async packageKey(contentId) {
      const granted = await grant(contentId)
      return granted.ok ? openPackageKey(granted.value, sealKey) : granted
    },
  }
}

async function openPackageKey(granted: ContentGrant, sealKey: KeyObject): Promise<Result<Uint8Array>> {
  try {
    const { plaintext } = await compactDecrypt(granted.sealedKey, sealKey, {
      keyManagementAlgorithms: ['ECDH-ES'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    if (plaintext.length === 32) return ok(plaintext)
  } catch {
    // Said below: nothing of a key goes into a text.
  }
  return failed(problem('MANIFEST_REFUSED', `The key of package ${granted.packageId} is not sealed to this device.`))
}
