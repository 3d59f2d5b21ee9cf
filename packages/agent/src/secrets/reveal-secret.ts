/** Asks the site for a secret and opens the answer: sealed to this device, signed by a key of policy. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type DeviceId,
  Envelope,
  failed,
  ok,
  type PolicyKey,
  problem,
  type Result,
  Revelation,
  SECRET_TYPE,
  type SecretRequest,
} from '@sluice/protocol'
import { compactDecrypt } from 'jose'
import { createBackoff } from '../backoff.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { DeviceKeys } from '../identity/device-keys.ts'
import { verifyEnvelope } from '../trust/envelope.ts'

export type SecretQuestion = Omit<SecretRequest, 'nonce'>

/**
 * Goes on asking while asking can help; rejects only when `signal` aborts.
 * `SECRET_REFUSED`, or `BAD_ANSWER` for one that is not from the site.
 */
export type RevealSecret = (question: SecretQuestion, signal: AbortSignal) => Promise<Result<string>>

export function createRevealSecret(options: {
  deviceId: DeviceId
  client: Pick<GatewayClient, 'call'>
  keys: Pick<DeviceKeys, 'seal'>
  policyKeys: () => readonly PolicyKey[]
  random: () => number
}): RevealSecret {
  const { deviceId, client, keys, policyKeys, random } = options

  async function open(sealed: string, asked: SecretRequest): Promise<Result<string>> {
    const refused = (why: string) => failed(problem('BAD_ANSWER', `secret ${asked.name}: ${why}`))
    try {
      const { plaintext } = await compactDecrypt(sealed, keys.seal, {
        keyManagementAlgorithms: ['ECDH-ES'],
        contentEncryptionAlgorithms: ['A256GCM'],
      })
      const payload = verifyEnvelope(Envelope.parse(JSON.parse(utf8(plaintext))), SECRET_TYPE, policyKeys())
      if (!payload.ok) return refused('it is not signed by a key of policy')
      const said = Revelation.parse(JSON.parse(utf8(payload.value)))
      const right =
        said.deviceId === deviceId &&
        said.runId === asked.runId &&
        said.attempt === asked.attempt &&
        said.name === asked.name &&
        said.nonce === asked.nonce
      return right ? ok(said.value) : refused('it answers another question')
    } catch {
      // Nothing of what could not be read goes into a text.
      return refused('it cannot be opened by this device')
    }
  }

  return async (question, signal) => {
    const asked: SecretRequest = { ...question, nonce: randomBytes(24).toString('base64url') }
    const backoff = createBackoff({ firstMs: 500, maxMs: 30_000, random })
    for (;;) {
      const answer = await client.call('secret', { body: asked, signal })
      if (answer.ok) return await open(answer.value.sealed, asked)
      if (answer.problem.retry === 'never') return answer
      await delay(backoff.next(answer.problem), undefined, { signal })
    }
  }
}

const utf8 = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes)
