/**
 * Keeps a certificate from an ACME authority (RFC 8555): asks for it, proves by HTTP-01 that the names lead
 * here, and asks again when a third of its life is left.
 *
 * 1. What is in force stays in force until there is something better: a failure is told, counted, and tried
 *    again later, with more and more time in between.
 * 2. Key and chain are one file, written at once, so that neither is ever found without the other.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { writeFileAtomic } from '@sluice/content'
import { axios, Client, crypto } from 'acme-client'
import { type Log, reason } from '../log.ts'
import { type AcmeSettings, readBounded } from '../settings/config.ts'
import { listen } from './https-listener.ts'
import type { ServerCertificate } from './server-certificate.ts'

const LOOK_INTERVAL_MS = 10 * 60_000
const FIRST_RETRY_MS = 60_000
const LONGEST_RETRY_MS = 6 * 3600_000
const ORDER_TIMEOUT_MS = 5 * 60_000
const CHALLENGE_PATH = '/.well-known/acme-challenge/'
const MAX_CHALLENGE_CONNECTIONS = 64

export interface AcmeCertificate {
  /** What there was when it was opened; undefined before the first order succeeded. */
  first: ServerCertificate | undefined
  /** Looks now, whatever was planned. */
  look(): Promise<void>
  /** Orders that failed in a row. */
  failures(): number
  stop(): Promise<void>
}

/** @param folder for its keys, for their owner only; made when absent @param onCertificate another one is to be shown from now on */
export async function keepAcmeCertificate(options: {
  settings: AcmeSettings
  folder: string
  now: () => number
  log: Log
  onCertificate: (next: ServerCertificate) => void
}): Promise<AcmeCertificate> {
  const { settings, folder, now, log } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const files = { account: join(folder, 'account.key'), certificate: join(folder, 'certificate.pem') }
  let current = await readPair(files.certificate)
  const first = current
  let failures = 0
  let notBefore = 0
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    if (current !== undefined && !isDue(current, settings.names, now())) return
    try {
      current = await order(settings, await accountKey(files.account))
      await writeFileAtomic(files.certificate, `${current.key}\n${current.certificate}`) // 2
      failures = 0
      options.onCertificate(current)
      log.info('acme.certificate', { names: settings.names, until: new X509Certificate(current.certificate).validTo })
    } catch (thrown) {
      failures++ // 1
      const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)) * (0.75 + Math.random() / 2)
      notBefore = now() + waitMs
      log.error('acme.failed', {
        names: settings.names,
        failures,
        retryInMs: Math.round(waitMs),
        reason: reason(thrown),
      })
    }
  }
  const lookOnce = (): Promise<void> => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
  const timer = setInterval(
    () => {
      if (now() >= notBefore) void lookOnce()
    },
    Math.min(LOOK_INTERVAL_MS, FIRST_RETRY_MS),
  )
  timer.unref()
  return {
    first,
    look: lookOnce,
    failures: () => failures,
    async stop() {
      clearInterval(timer)
      await looking
    },
  }
}

/** A third of its life is left, or it is for other names than are wanted now. */
function isDue({ certificate }: ServerCertificate, names: readonly string[], now: number): boolean {
  const parsed = new X509Certificate(certificate)
  const life = parsed.validToDate.getTime() - parsed.validFromDate.getTime()
  return now >= parsed.validToDate.getTime() - life / 3 || names.some((name) => parsed.checkHost(name) === undefined)
}

/** @throws with what the authority said */
async function order(settings: AcmeSettings, account: string): Promise<ServerCertificate> {
  const [commonName] = settings.names
  const [key, csr] = await crypto.createCsr(
    { commonName, altNames: [...settings.names] },
    (await crypto.createPrivateEcdsaKey('P-256')).toString(),
  )
  const answers = new Map<string, string>()
  const challenges = await serveChallenges(settings, answers)
  // The library has one client for all: there is one authority for a gateway.
  axios.defaults.timeout = 30_000
  // It would wait for long before it says what is wrong; waiting is done here.
  const { acmeSettings } = axios.defaults as { acmeSettings?: object }
  Object.assign(axios.defaults, { acmeSettings: { ...acmeSettings, retryMaxAttempts: 1, retryDefaultDelay: 1 } })
  if (settings.authorityFile !== undefined)
    axios.defaults.httpsAgent = new Agent({ ca: await readBounded(settings.authorityFile) })
  const client = new Client({ directoryUrl: settings.directoryUrl, accountKey: account, backoffMax: 5_000 })
  let late: NodeJS.Timeout | undefined
  try {
    await openAccount(client, settings.email)
    const certificate = await Promise.race([
      client.auto({
        csr,
        challengePriority: ['http-01'],
        skipChallengeVerification: true,
        challengeCreateFn: async (_authorisation, { token }, answer) => void answers.set(token, answer),
        challengeRemoveFn: async (_authorisation, { token }) => void answers.delete(token),
      }),
      new Promise<never>((_resolve, reject) => {
        late = setTimeout(() => reject(new Error('the authority took too long')), ORDER_TIMEOUT_MS)
      }),
    ])
    return { certificate, key: key.toString() }
  } finally {
    clearTimeout(late)
    challenges.close()
    challenges.closeAllConnections()
  }
}

/** Makes the account, or finds it again by its key. */
async function openAccount(client: Client, email: string | undefined): Promise<void> {
  const contact = email === undefined ? {} : { contact: [`mailto:${email}`] }
  try {
    await client.createAccount({ termsOfServiceAgreed: true, ...contact })
  } catch (thrown) {
    // The library updates an account that is there already; not every authority takes that, but it was found.
    try {
      client.getAccountUrl()
    } catch {
      throw thrown
    }
  }
}

/** Answers the authority, and only while there is an order. @throws when the port is taken */
async function serveChallenges({ challenge }: AcmeSettings, answers: ReadonlyMap<string, string>): Promise<Server> {
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    const url = request.url ?? ''
    const answer = url.startsWith(CHALLENGE_PATH) ? answers.get(url.slice(CHALLENGE_PATH.length)) : undefined
    if (answer === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(answer)
  })
  server.maxConnections = MAX_CHALLENGE_CONNECTIONS
  const port = await listen(server, challenge)
  if (!port.ok) throw new Error(port.problem.detail)
  return server
}

async function accountKey(file: string): Promise<string> {
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept !== undefined) return kept
  const key = (await crypto.createPrivateEcdsaKey('P-256')).toString()
  await writeFileAtomic(file, key)
  return key
}

/** Undefined when there is none, or none that can be used. */
async function readPair(file: string): Promise<ServerCertificate | undefined> {
  try {
    const text = await readFile(file, 'utf8')
    const at = text.indexOf('-----BEGIN CERTIFICATE-----')
    const pair = { key: text.slice(0, at), certificate: text.slice(at) }
    return new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key)) ? pair : undefined
  } catch {
    return undefined
  }
}
