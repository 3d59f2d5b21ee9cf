/**
 * The policy that this device believes.
 *
 * Owns: every check between an answer of the site and a policy that may be acted on, and the floor
 * below which nothing is accepted again. Does not own: asking (the agent's policy loop), storage
 * (`PolicyStore`), what the deployments mean.
 *
 *   P1. Bytes are verified with their type, then the same bytes are parsed once (SEC-43).
 *   P2. A head counts only for this device and for the question that was asked: its nonce.
 *   P3. (epoch, seq) never falls, also across restarts; equal means the same body (SEC-31).
 *   P4. The body is the one that the head names by hash, and says the same device.
 *   P5. What is accepted is durable before anybody acts on it.
 *   P6. Stored policy is verified again when it is loaded; where that fails, its floor still holds.
 *   P7. Time never falls below what the site signed, but in a new epoch: a site whose clock was wrong
 *       gets its devices back that way.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  type DeviceId,
  type Envelope,
  failed,
  ok,
  POLICY_BODY_TYPE,
  POLICY_HEAD_TYPE,
  type PolicyAnswer,
  PolicyBody,
  PolicyHead,
  type PolicyKey,
  problem,
  type Result,
  readSignedJson,
  type Sha256,
  unreadable,
} from '@sluice/protocol'
import type { z } from 'zod'
import type { EffectiveTime } from './effective-time.ts'
import { verifyEnvelope } from './envelope.ts'
import type { Freshness } from './freshness.ts'

/** The last policy that was accepted, as it is kept. */
export interface StoredPolicy {
  epoch: number
  seq: number
  bodyHash: Sha256
  /** As received. */
  head: Envelope
  body: Envelope
  /** The site's time in the head, milliseconds since 1970: no clock of this device goes below it. */
  signedAt: number
}

/** Keeps one policy. Not async: state of the agent is written by short, durable transactions. */
export interface PolicyStore {
  load(): StoredPolicy | undefined
  /** Durable when it returns (P5). */
  save(policy: StoredPolicy): void
}

export interface AcceptedPolicy {
  head: PolicyHead
  body: PolicyBody
}

/** What goes into a `PolicyRequest`. */
export interface PolicyQuestion {
  nonce: string
  knownBodyHash?: Sha256
}

export interface Policy {
  /** A question with a nonce of its own; ask it once. */
  question(): PolicyQuestion
  /**
   * Checks the answer to a question and keeps it.
   * Problems: `POLICY_REFUSED`, `POLICY_REPLAYED`, `POLICY_TOO_NEW`. Nothing changes then.
   */
  accept(answer: PolicyAnswer, question: PolicyQuestion): Result<AcceptedPolicy>
  current(): AcceptedPolicy | undefined
  freshness(): Freshness | undefined
}

/** @param keys that may sign policy, as the catalogue's root lists them now */
export function createPolicy(options: {
  deviceId: DeviceId
  keys: () => readonly PolicyKey[]
  store: PolicyStore
  time: EffectiveTime
}): Policy {
  const { deviceId, keys, store, time } = options
  let stored = store.load()
  let current = stored && reload(stored) // P6
  if (stored !== undefined) time.raise(stored.signedAt)

  function reload({ head, body }: StoredPolicy): AcceptedPolicy | undefined {
    const readHead = readDocument(head, POLICY_HEAD_TYPE, PolicyHead, keys())
    if (!readHead.ok || readHead.value.document.deviceId !== deviceId) return undefined
    const readBody = bodyOf(body, readHead.value.document)
    return readBody.ok ? { head: readHead.value.document, body: readBody.value } : undefined
  }

  function bodyOf(envelope: Envelope, head: PolicyHead): Result<PolicyBody> {
    const read = readDocument(envelope, POLICY_BODY_TYPE, PolicyBody, keys())
    if (!read.ok) return read
    const { document, hash } = read.value
    if (hash !== head.bodyHash) return refused('The body is not the one that the head names.') // P4
    if (document.deviceId !== deviceId) return refused(`The body is for ${document.deviceId}, not for this device.`)
    return ok(document)
  }

  const isNewEpoch = (head: PolicyHead) => stored !== undefined && head.epoch > stored.epoch

  /** P2, P3 and expiry: everything that makes a well-signed head the wrong one. */
  function checkHead(head: PolicyHead, nonce: string): Result<undefined> {
    if (head.deviceId !== deviceId) return refused(`The policy is for ${head.deviceId}, not for this device.`)
    if (head.nonce !== nonce) return replayed('It answers another question than the one this device asked.')
    if (stored !== undefined) {
      const floor = `${stored.epoch}.${stored.seq}`
      if (head.epoch < stored.epoch || (head.epoch === stored.epoch && head.seq < stored.seq))
        return replayed(`It is number ${head.epoch}.${head.seq}; this device has ${floor}.`)
      if (head.epoch === stored.epoch && head.seq === stored.seq && head.bodyHash !== stored.bodyHash)
        return refused(`It has the number ${floor} of the policy that this device has, and is another one.`)
    }
    const now = isNewEpoch(head) ? time.clock() : time.now() // P7
    if (Date.parse(head.expiresAt) <= now)
      return refused(
        `It expired at ${head.expiresAt}, although it was just signed: for this device it is ${new Date(now).toISOString()}, for the site ${head.now}.`,
      )
    return ok(undefined)
  }

  return {
    question: () => ({
      nonce: randomBytes(24).toString('base64url'),
      ...(current === undefined ? {} : { knownBodyHash: current.head.bodyHash }),
    }),
    accept(answer, { nonce }) {
      const read = readDocument(answer.head, POLICY_HEAD_TYPE, PolicyHead, keys())
      if (!read.ok) return read
      const head = read.value.document
      const checked = checkHead(head, nonce)
      if (!checked.ok) return checked

      const body = answer.body ?? (current?.head.bodyHash === head.bodyHash ? stored?.body : undefined)
      if (body === undefined) return refused('The answer leaves out a body that this device does not have.')
      const known = answer.body === undefined ? current?.body : undefined
      const readBody = known === undefined ? bodyOf(body, head) : ok(known)
      if (!readBody.ok) return readBody

      const next: StoredPolicy = {
        epoch: head.epoch,
        seq: head.seq,
        bodyHash: head.bodyHash,
        head: answer.head,
        body,
        signedAt: Date.parse(head.now),
      }
      store.save(next) // P5
      if (isNewEpoch(head)) time.restart(next.signedAt)
      else time.raise(next.signedAt)
      stored = next
      current = { head, body: readBody.value }
      return ok(current)
    },
    current: () => current,
    freshness: () =>
      current && { freshAt: Date.parse(current.head.now), expiresAt: Date.parse(current.head.expiresAt) },
  }
}

/** P1. The document in an envelope, with the hash of its bytes. */
function readDocument<T extends z.ZodObject>(
  envelope: Envelope,
  payloadType: string,
  schema: T,
  keys: readonly PolicyKey[],
): Result<{ document: z.output<T>; hash: string }> {
  const verified = verifyEnvelope(envelope, payloadType, keys)
  if (!verified.ok) return verified
  const json = readSignedJson(verified.value)
  if (!json.ok) return refused(`The signed ${payloadType} is malformed: ${json.fault}.`)
  const fault = unreadable(json.value, schema)
  if (fault !== undefined) return failed(problem('POLICY_TOO_NEW', `The signed ${payloadType}: ${fault}.`))
  const parsed = schema.safeParse(json.value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return refused(`The signed ${payloadType}: ${issue?.path.join('.')}: ${issue?.message}.`)
  }
  return ok({ document: parsed.data, hash: createHash('sha256').update(verified.value).digest('hex') })
}

const refused = (detail: string) => failed(problem('POLICY_REFUSED', detail))
const replayed = (detail: string) => failed(problem('POLICY_REPLAYED', detail))
