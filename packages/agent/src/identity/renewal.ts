/**
 * Keeps the device certificate fresh: renewed when 10 of its 30 days are left (design §5). With an
 * expired one the site answers nothing but *renew*; the client holds back everything else meanwhile.
 */
import { X509Certificate } from 'node:crypto'
import { createBackoff } from '../backoff.ts'
import { createBell } from '../bell.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { Log } from '../log.ts'
import { createCertificateRequest } from './certificate-request.ts'
import type { DeviceKeys } from './device-keys.ts'
import { checkCertificate, type Identity } from './identity.ts'

export interface Renewal {
  start(): void
  stop(): Promise<void>
}

export interface RenewalOptions {
  identity: () => Identity
  keys: DeviceKeys
  client: Pick<GatewayClient, 'call' | 'onExpired'>
  /** Makes the identity with its new certificate durable, and uses it from then on. */
  replace: (identity: Identity) => Promise<void>
  /** Milliseconds since 1970, by the site's signed time where it is known. */
  now: () => number
  log: Log
  random: () => number
}

const DAY_MS = 24 * 3600_000
const CHECK_EVERY_MS = 3600_000

/**
 * From when on a certificate is renewed, milliseconds since 1970: 10 days before its end, or when a
 * third of its life is left where it lives shorter than 30 days.
 */
export function renewalDueAt(chain: string): number {
  const { validFromDate, validToDate } = new X509Certificate(chain)
  const life = validToDate.getTime() - validFromDate.getTime()
  return validToDate.getTime() - Math.min(10 * DAY_MS, life / 3)
}

export function createRenewal(options: RenewalOptions): Renewal {
  const { client, keys, log, random } = options
  const stopped = new AbortController()
  const bell = createBell()
  let refused = false
  let running: Promise<void> | undefined
  let stopListening = () => {}

  async function run(): Promise<void> {
    const { signal } = stopped
    const backoff = createBackoff({ firstMs: 30_000, maxMs: CHECK_EVERY_MS, random })
    while (!signal.aborted) {
      let waitMs = CHECK_EVERY_MS
      // The site's word counts more than the device's clock.
      if (refused || options.now() >= renewalDueAt(options.identity().certificate)) {
        const done = await renew(signal)
        if (done) backoff.reset()
        else waitMs = backoff.next()
      }
      await bell.wait(waitMs, signal)
    }
  }

  async function renew(signal: AbortSignal): Promise<boolean> {
    const identity = options.identity()
    const csr = createCertificateRequest(keys)
    const answer = await client.call('renew', { body: { csr }, signal }).catch((error: unknown) => {
      if (signal.aborted) return undefined
      throw error
    })
    if (answer === undefined) return false
    const checked = answer.ok
      ? checkCertificate(answer.value.certificate, identity.site.siteId, identity.deviceId, keys)
      : answer
    if (!answer.ok || !checked.ok) {
      log.warn('the certificate could not be renewed', { problem: checked.ok ? undefined : checked.problem })
      return false
    }
    await options.replace({ ...identity, certificate: answer.value.certificate })
    refused = false
    log.info('the certificate was renewed', { until: new X509Certificate(answer.value.certificate).validTo })
    return true
  }

  return {
    start() {
      stopListening = client.onExpired(() => {
        refused = true
        bell.ring()
      })
      running ??= run()
    },
    async stop() {
      stopListening()
      stopped.abort()
      await running
    },
  }
}
