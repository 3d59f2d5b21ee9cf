/**
 * `sluice-agent enrol`: enrols this computer while somebody watches, also by a sign-in of that person.
 * The agent itself must not run: the state folder has one user. Once enrolled, or on the list of devices
 * that wait, the agent goes on where this ended.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ok, type Result, type SignInAnswer } from '@sluice/protocol'
import { createBackoff } from '../backoff.ts'
import { MISUSED, type Output, readWords } from '../command-line.ts'
import { type AgentConfig, loadConfig } from '../config.ts'
import { createGatewayClient, type GatewayClient } from '../gateway-client/gateway-client.ts'
import { readWayOut } from '../gateway-client/way-out.ts'
import { createPlatform } from '../platform/registry.ts'
import { openState } from '../state/state.ts'
import { createCertificateRequest } from './certificate-request.ts'
import { type DeviceKeys, openDeviceKeys } from './device-keys.ts'
import { type EnrolOnceOptions, enrolOnce, readBundle } from './enrolment.ts'
import { loadIdentity, storeIdentity } from './identity.ts'

const usage = `Usage: sluice-agent enrol --config <file.json> [--sign-in]

  --sign-in   shows an address and a code: whoever signs in there, on any computer, lets this one in`

/** Failures of the way that are tried again, one after the other, before it gives up. */
const MAX_FAILURES = 10
/** Whatever a gateway says. */
const LONGEST_WAIT_MS = 5 * 60_000

/** @param args after `enrol`. The exit code: 0 when the computer is a device, or waits to be approved. */
export async function enrolCommand(args: string[], { out, error }: Output): Promise<number> {
  const options = { config: { type: 'string' }, 'sign-in': { type: 'boolean' } } as const
  const words = readWords(args, { options, usage, takesWords: false }, error)
  if (words === undefined) return MISUSED
  const { values } = words
  if (values.config === undefined) {
    error(usage)
    return MISUSED
  }
  const config = await loadConfig(values.config)
  const done = config.ok ? await enrolHere(config.value, values['sign-in'] === true, out) : config
  if (done.ok) return 0
  // Gateways word it.
  error(`${done.problem.code}: ${done.problem.detail.replace(/\p{C}/gu, '?')}`)
  return 1
}

async function enrolHere(config: AgentConfig, signIn: boolean, out: Output['out']): Promise<Result<undefined>> {
  const { stateFolder, osRoot, facts, restart, bootFile } = config
  await using resources = new AsyncDisposableStack()
  const state = await openState(stateFolder)
  if (!state.ok) return state
  resources.defer(() => state.value.close())
  const folder = join(stateFolder, 'identity')
  const keys = await openDeviceKeys(folder)
  const known = await loadIdentity(folder, keys)
  if (known !== undefined) {
    out(`This computer is enrolled already: ${known.deviceId}.`)
    return ok(undefined)
  }
  const bundle = await readBundle(config.enrolmentBundle)
  if (!bundle.ok) return bundle
  const wayOut = await readWayOut(config)
  if (!wayOut.ok) return wayOut
  const { gatewayAuthority: authority, gateways } = bundle.value
  const client = createGatewayClient({ wayOut: wayOut.value, authority, gateways })
  resources.defer(() => client.close())
  // Nothing here ever asks for a restart.
  const platform = await createPlatform({ stateFolder, osRoot, facts, restart, bootFile, exit: () => {} })
  const { enrolmentBundle: bundlePath, organisationCertificate } = config
  const trying = { bundlePath, organisationCertificate, keys, client, platform }
  const handle = signIn ? await beginSignIn(client, keys, out) : ok(undefined)
  return handle.ok ? await untilDecided(trying, handle.value, folder, out) : handle
}

async function beginSignIn(client: GatewayClient, keys: DeviceKeys, out: Output['out']): Promise<Result<string>> {
  const begun = await client.call('signIn', { body: { csr: createCertificateRequest(keys) } })
  if (!begun.ok) return begun
  for (const line of invitation(begun.value)) out(line)
  return ok(begun.value.handle)
}

const invitation = ({ verificationUri, userCode, verificationUriComplete, expiresInMs }: SignInAnswer): string[] => [
  `Open ${verificationUri} on any computer or telephone, and enter the code`,
  '',
  `    ${userCode}`,
  '',
  ...(verificationUriComplete === undefined ? [] : [`or open ${verificationUriComplete} and compare the code.`]),
  `The code holds for ${Math.round(expiresInMs / 60_000)} minutes. Waiting …`,
]

async function untilDecided(
  trying: EnrolOnceOptions,
  signIn: string | undefined,
  folder: string,
  out: Output['out'],
): Promise<Result<undefined>> {
  const { signal } = new AbortController()
  const backoff = createBackoff({ firstMs: 1_000, maxMs: 30_000, random: Math.random })
  let failures = 0
  for (;;) {
    const attempt = await enrolOnce(trying, signal, signIn)
    switch (attempt.kind) {
      case 'approved':
        await storeIdentity(folder, attempt.identity)
        out(`This computer is now the device ${attempt.identity.deviceId}. Start the agent.`)
        return ok(undefined)
      case 'pending':
        out('This computer waits for approval; start the agent, which goes on asking.')
        out(`Fingerprint of its key: ${attempt.fingerprint}`)
        return ok(undefined)
      case 'signingIn':
        failures = 0
        backoff.reset()
        await sleep(Math.min(attempt.retryAfterMs, LONGEST_WAIT_MS))
        break
      case 'failed': {
        // `never`: the same request will not get past it.
        if (attempt.problem.retry === 'never' || ++failures > MAX_FAILURES)
          return { ok: false, problem: attempt.problem }
        await sleep(backoff.next(attempt.problem))
      }
    }
  }
}
