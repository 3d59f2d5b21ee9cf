/**
 * Walks the way of a device to its site, hop by hop, and says of each what is wrong with it and what
 * to change (the original's connection analyzer).
 *
 * Owns: what a device can find out from outside. Does not own: what the site knows of its gateways
 * (the command line adds that), and where addresses, identity and contents come from.
 *
 *   H1. Nothing is used up or changed: no token, no report, no policy poll.
 *   H2. The certificate of a device and what it may ask for are shown only to a server whose own certificate
 *       is in order.
 *   H3. Every hop ends, within `checkBounds.hopMs` for each thing that it asks for, and the hold time.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type ContentId, deviceRoutes, problem } from '@sluice/protocol'
import { type Asker, createAsker, parsed, refusalOf } from './asker.ts'
import { checkContents } from './check-contents.ts'
import { checkStream } from './check-stream.ts'
import { checkBounds, dial, type Place, reasonOf } from './dial.ts'
import { failedHop, type Hop, isFault, passedHop, skippedHop, warnedHop } from './hop.ts'
import { type OldVersion, oldVersions, takesOldTls } from './old-tls.ts'
import { judge, readCertificate, type Shown, shake } from './server-certificate.ts'

export interface GatewayCheck {
  deviceUrl: string
  /** The same where one port serves all. */
  enrolmentUrl: string
  /** PEM of what signs certificates of gateways; none: the authorities of the system. */
  authorities: readonly string[]
  /** PEM, of a device. */
  credentials?: { certificate: string; key: string } | undefined
  /** `http:` address with name and password, where a proxy is between. */
  proxyUrl?: string | undefined
  /** What the device may fetch; one of them is looked for. */
  contents: readonly ContentId[]
  /** How long a quiet connection must live, in milliseconds. */
  holdMs: number
  /** Milliseconds since 1970. */
  now: () => number
  signal: AbortSignal
}

/** Clocks may differ by this much without anybody noticing (security-reliability REL-20). */
const SKEW_MS = 5 * 60_000

/** Headers of a gateway's answers; others were added on the way. */
const OWN_HEADERS = new Set([
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'retry-after',
])

/** Rejects only with the reason of `signal`. */
export async function* checkGateway(options: GatewayCheck): AsyncGenerator<Hop> {
  const { deviceUrl, proxyUrl, signal, credentials } = options
  const url = new URL(deviceUrl)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const place: Place = { host, port: Number(url.port || 443), proxyUrl }

  const name = await checkName(place)
  yield name
  if (isFault(name)) return
  const port = await checkPort(place, signal)
  yield port
  if (isFault(port)) return

  const shown: Shown[] = []
  yield await checkVersions(place, options, shown)
  const [first] = shown
  if (first === undefined) return
  yield await checkOldVersions(place, signal)
  const certificate = checkCertificate(first, options.now())
  yield certificate

  const asker = createAsker(options)
  try {
    const health = await checkHealth(asker, options.now)
    yield* health
    if (health.some(isFault)) return
    yield await checkSilence(asker)
    yield await checkSite(asker)
    // H2
    const why = isFault(certificate)
      ? 'not before the certificate of the gateway is in order'
      : credentials === undefined
        ? 'no certificate of a device was given'
        : undefined
    const identity = why === undefined ? await checkIdentity(asker, options) : skippedHop('Device certificate', why)
    yield identity
    if (identity.outcome === 'passed') {
      yield await checkPolicy(asker)
      yield* checkContents(asker, options.contents, deviceUrl)
    }
    yield await checkStream(asker, { ...options, listens: identity.outcome === 'passed' })
  } finally {
    asker.close()
  }
}

async function checkName({ host, proxyUrl }: Place): Promise<Hop> {
  const hop = 'Name'
  if (isIP(host) !== 0) return passedHop(hop, `${host} is an address`)
  if (proxyUrl !== undefined) return skippedHop(hop, 'the proxy looks it up')
  try {
    const found = await lookup(host, { all: true })
    return passedHop(hop, `${host} is ${found.map(({ address }) => address).join(', ')}`)
  } catch (error) {
    return failedHop(hop, problem('GATEWAY_NAME_UNKNOWN', error instanceof Error ? reasonOf(error) : String(error)))
  }
}

async function checkPort(place: Place, signal: AbortSignal): Promise<Hop> {
  const began = performance.now()
  const dialled = await dial(place, signal)
  if (!dialled.ok) return failedHop('Port', dialled.problem)
  dialled.value.destroy()
  const ms = Math.round(performance.now() - began)
  return passedHop(
    'Port',
    `${place.port} answers in ${ms} ms${place.proxyUrl === undefined ? '' : ' through the proxy'}`,
  )
}

/** Fills `shown` with the certificate of each version that is spoken. */
async function checkVersions(place: Place, { authorities, signal }: GatewayCheck, shown: Shown[]): Promise<Hop> {
  const hop = 'TLS'
  const spoken: string[] = []
  let refusal = problem('TLS_REFUSED', '')
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const shaken = await shake(place, version, authorities, signal)
    if (shaken.ok) {
      shown.push(shaken.value)
      spoken.push(version.replace('v', ' '))
    } else refusal = shaken.problem
  }
  if (spoken.length === 0) return failedHop(hop, refusal)
  return spoken.length === 1 ? warnedHop(hop, refusal) : passedHop(hop, `${spoken.join(' and ')} are spoken`)
}

async function checkOldVersions(place: Place, signal: AbortSignal): Promise<Hop> {
  const hop = 'Old TLS'
  for (const version of Object.keys(oldVersions) as OldVersion[]) {
    const dialled = await dial(place, signal)
    if (!dialled.ok) return failedHop(hop, dialled.problem)
    if (await takesOldTls(dialled.value, version, place.host, checkBounds.hopMs))
      return failedHop(hop, problem('TLS_OUTDATED', `It goes on with ${version}.`))
  }
  return passedHop(hop, 'TLS 1.0 and 1.1 are refused')
}

function checkCertificate(shown: Shown, now: number): Hop {
  const judged = judge(shown, now)
  if ('fault' in judged) return failedHop('Certificate', judged.fault)
  return 'soon' in judged ? warnedHop('Certificate', judged.soon) : passedHop('Certificate', judged.fine)
}

/** Whether a gateway is there, and what time it has. */
async function checkHealth(asker: Asker, now: () => number): Promise<Hop[]> {
  const hop = 'Gateway'
  const before = now()
  const answered = await asker.stranger(deviceRoutes.health.path, 'enrolment')
  const after = now()
  if (!answered.ok) return [failedHop(hop, answered.problem)]
  const { status, headers, body } = answered.value
  const said = parsed(body)
  if (status !== 200 || typeof said !== 'object' || said === null || !('ok' in said) || said.ok !== true)
    return [failedHop(hop, problem('NOT_A_GATEWAY', `Asked whether it is there, it answers ${status}.`))]
  return [passedHop(hop, 'is there, and says so to everybody'), checkClock(headers.date, before, after)]
}

function checkClock(date: string | undefined, before: number, after: number): Hop {
  const hop = 'Clock'
  const there = Date.parse(date ?? '')
  if (Number.isNaN(there)) return skippedHop(hop, 'the gateway does not tell its time')
  const aheadMs = (before + after) / 2 - there
  const minutes = Math.round(Math.abs(aheadMs) / 60_000)
  const far = Math.abs(aheadMs) > SKEW_MS + (after - before) / 2
  if (!far) return passedHop(hop, 'agrees with the clock of the gateway')
  return failedHop(
    hop,
    problem('CLOCK_WRONG', `This computer is ${minutes} min ${aheadMs > 0 ? 'ahead of' : 'behind'} the gateway.`),
  )
}

/** Whoever shows no certificate gets one and the same answer, whatever he asks for. */
async function checkSilence(asker: Asker): Promise<Hop> {
  const hop = 'Strangers'
  const answers = new Set<string>()
  for (const path of ['/', deviceRoutes.policy.path, '/admin/v1/site', '/v1/catalogue/metadata/timestamp.json']) {
    const answered = await asker.stranger(path, 'device')
    if (!answered.ok) return failedHop(hop, answered.problem)
    const { status, headers, body } = answered.value
    const { code } = refusalOf(answered.value)
    const added = Object.keys(headers).filter((header) => !OWN_HEADERS.has(header))
    if (code !== 'NOT_AUTHENTICATED')
      return failedHop(hop, problem('GATEWAY_REVEALS', `${path} answers ${status} without a certificate.`))
    if (added.length > 0)
      return failedHop(hop, problem('GATEWAY_REVEALS', `Its answers have headers of others: ${added.join(', ')}.`))
    answers.add(`${status} ${body.toString('latin1')}`)
  }
  if (answers.size > 1) return failedHop(hop, problem('GATEWAY_REVEALS', 'Answers differ from path to path.'))
  return passedHop(hop, 'learn nothing without a certificate')
}

/** An enrolment that asks for nothing is refused by the site itself, so the link carries it. Uses no token up (H1). */
async function checkSite(asker: Asker): Promise<Hop> {
  const hop = 'Site'
  const answered = await asker.stranger(deviceRoutes.enrol.path, 'enrolment', { body: {} })
  if (!answered.ok) return failedHop(hop, answered.problem)
  const refusal = refusalOf(answered.value)
  if (refusal.code === 'BAD_REQUEST') return passedHop(hop, 'answers through the gateway')
  return failedHop(hop, refusal)
}

/** The gateway judges the certificate before it looks at the body. */
async function checkIdentity(asker: Asker, { credentials, now }: GatewayCheck): Promise<Hop> {
  const hop = 'Device certificate'
  const answered = await asker.device('contentUrls', {}, {})
  const own = readCertificate(credentials?.certificate ?? '')
  const days = own === undefined ? 0 : Math.floor((own.validToDate.getTime() - now()) / (24 * 3600_000))
  if (answered.ok) return failedHop(hop, problem('BAD_ANSWER', 'A request without content was not refused.'))
  if (answered.problem.code === 'BAD_REQUEST') return passedHop(hop, `is accepted, and valid for ${days} days more`)
  return failedHop(hop, answered.problem)
}

/** What the site gives to devices that it knows, and to no other. */
async function checkPolicy(asker: Asker): Promise<Hop> {
  const hop = 'Policy'
  const answered = await asker.device('catalogueMetadata', { file: 'timestamp.json' })
  if (!answered.ok) return failedHop(hop, answered.problem)
  return passedHop(hop, 'the site answers this device')
}
