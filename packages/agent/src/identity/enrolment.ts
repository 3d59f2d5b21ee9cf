/**
 * From a computer to a device of a site: asks with its key until the site says yes. Asking again with
 * the same key gives the same device, so a lost answer costs nothing, and a device that waits for
 * approval asks the same way.
 */
import { readFile } from 'node:fs/promises'
import { DeviceFacts, EnrolmentBundle, failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import { agentInfo } from '../agent-info.ts'
import { createBackoff } from '../backoff.ts'
import { createBell } from '../bell.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { Log } from '../log.ts'
import type { Platform } from '../platform/platform.ts'
import { createCertificateRequest } from './certificate-request.ts'
import type { DeviceKeys } from './device-keys.ts'
import { checkIdentity, type Identity } from './identity.ts'
import { type OrganisationCertificate, organisationProof } from './organisation-proof.ts'

export type EnrolmentState =
  | { kind: 'asking'; problem: Problem | undefined }
  /** The site knows the device; an administrator compares the fingerprint and approves. */
  | { kind: 'pending'; fingerprint: string }

export interface EnrolOnceOptions {
  /** File with the `EnrolmentBundle`; read anew for every try, so that a better one can be put there. */
  bundlePath: string
  keys: DeviceKeys
  /** Files of a certificate of the organisation's PKI; read anew for every try. */
  organisationCertificate?: OrganisationCertificate | undefined
  client: Pick<GatewayClient, 'call' | 'use'>
  platform: Pick<Platform, 'facts'>
}

export interface EnrolmentOptions extends EnrolOnceOptions {
  log: Log
  random: () => number
  onState?: (state: EnrolmentState) => void
  maxPauseMs?: number
}

/** What one try came to. */
export type Attempt =
  | { kind: 'approved'; identity: Identity }
  | { kind: 'pending'; fingerprint: string; retryAfterMs: number }
  /** The sign-in that was named goes on. */
  | { kind: 'signingIn'; retryAfterMs: number }
  | { kind: 'failed'; problem: Problem }

/** How long a site may let a pending device wait. */
const MAX_PENDING_MS = 3600_000

/** Ends with the identity, checked but not stored yet; rejects only when `signal` aborts. */
export async function enrol(options: EnrolmentOptions, signal: AbortSignal): Promise<Identity> {
  const { log, random, onState = () => {}, maxPauseMs = 600_000 } = options
  const backoff = createBackoff({ firstMs: 2_000, maxMs: maxPauseMs, random })
  const bell = createBell()
  onState({ kind: 'asking', problem: undefined })
  for (;;) {
    const attempt = await enrolOnce(options, signal)
    if (attempt.kind === 'approved') return attempt.identity
    let waitMs: number
    if (attempt.kind === 'pending') {
      backoff.reset()
      waitMs = Math.min(attempt.retryAfterMs, MAX_PENDING_MS)
      log.info('the site has not approved this device yet', { fingerprint: attempt.fingerprint, waitMs })
      onState({ kind: 'pending', fingerprint: attempt.fingerprint })
    } else if (attempt.kind === 'signingIn') {
      // Not without a sign-in, and none was named.
      waitMs = Math.min(attempt.retryAfterMs, MAX_PENDING_MS)
    } else {
      waitMs = backoff.next(attempt.problem)
      log.warn('enrolment failed', { problem: attempt.problem, waitMs })
      onState({ kind: 'asking', problem: attempt.problem })
    }
    await bell.wait(waitMs, signal)
    signal.throwIfAborted()
  }
}

/** One try. @param signIn names a sign-in that this device began; rejects only when `signal` aborts */
export async function enrolOnce(options: EnrolOnceOptions, signal: AbortSignal, signIn?: string): Promise<Attempt> {
  const { keys, client, platform } = options
  const bundle = await readBundle(options.bundlePath)
  if (!bundle.ok) return { kind: 'failed', problem: bundle.problem }
  const { format: _, token, ...site } = bundle.value
  client.use(site.gateways, site.gatewayAuthority)
  const csr = createCertificateRequest(keys)
  const organisation = await organisationProof(options.organisationCertificate, site.siteId, csr)
  if (!organisation.ok) return { kind: 'failed', problem: organisation.problem }
  const answer = await client.call('enrol', {
    body: {
      ...(token === undefined ? {} : { token }),
      ...(organisation.value === undefined ? {} : { organisation: organisation.value }),
      ...(signIn === undefined ? {} : { signIn }),
      csr,
      sealKey: keys.sealPublic,
      facts: DeviceFacts.parse(await platform.facts()),
      agent: agentInfo,
    },
    signal,
  })
  if (!answer.ok) return { kind: 'failed', problem: answer.problem }
  if (answer.value.state === 'signingIn') return { kind: 'signingIn', retryAfterMs: answer.value.retryAfterMs }
  if (answer.value.state === 'pending')
    return { kind: 'pending', fingerprint: keys.fingerprint, retryAfterMs: answer.value.retryAfterMs }
  const { deviceId, certificate, trust } = answer.value
  const identity: Identity = { v: 1, site, deviceId, certificate, trust }
  const checked = checkIdentity(identity, keys)
  return checked.ok ? { kind: 'approved', identity } : { kind: 'failed', problem: checked.problem }
}

/** `CONFIGURATION_INVALID` when the file is missing or is no bundle. */
export async function readBundle(path: string): Promise<Result<EnrolmentBundle>> {
  let document: unknown
  try {
    document = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    return failed(
      problem('CONFIGURATION_INVALID', `enrolmentBundle: ${error instanceof Error ? error.message : error}`),
    )
  }
  const parsed = EnrolmentBundle.safeParse(document)
  if (parsed.success) return ok(parsed.data)
  const errors = parsed.error.issues.map(({ path: at, message }) => ({ path: at.join('.'), message }))
  return failed(problem('CONFIGURATION_INVALID', `enrolmentBundle: ${path} is not an enrolment bundle.`, { errors }))
}
