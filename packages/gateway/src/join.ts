/**
 * Makes a gateway of an empty folder: makes its key, waits until the site dials, proves itself with the
 * secret of the join code, and writes what it is given. The key never leaves the folder.
 *
 * 1. The secret is said only to whom the authority in the code signed as the connector of that site.
 * 2. Nothing that could be taken for a gateway is in the folder before it is all there: the
 *    configuration is written last.
 */
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { writeFileAtomic } from '@sluice/content'
import {
  connectorUri,
  failed,
  GatewayCertificate,
  type JoinCode,
  LINK_JOIN,
  linkPaths,
  ok,
  problem,
  type Result,
  readJoinCode,
  readProblem,
} from '@sluice/protocol'
import { makeKey, requestFor, selfSigned } from './data/certificate-request.ts'
import { readJson } from './link/json.ts'
import { createLinkSession, type LinkAnswer } from './link/session.ts'
import { type Log, reason } from './log.ts'
import type { ListenAddress } from './settings/config.ts'
import { listen } from './tls/https-listener.ts'
import { secureOptions } from './tls/secure-options.ts'

const ANSWER_TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 64 * 1024

export interface JoinOptions {
  code: string
  /** New or empty. */
  folder: string
  /** Address of this machine that the gateway listens on. */
  host: string
  log: Log
  signal: AbortSignal
}

/** @returns the path of the configuration; `BAD_REQUEST` for a code that is none, `CONFLICT` for a folder that holds anything, `PORT_TAKEN` */
export async function joinSite({ code: text, folder, host, log, signal }: JoinOptions): Promise<Result<string>> {
  const code = readJoinCode(text)
  if (!code.ok) return code
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if ((await readdir(folder)).length > 0) return failed(problem('CONFLICT', `The folder ${folder} is not empty.`))
  const key = await makeKey()
  const certificate = await waitForSite({ code: code.value, key, host, log, signal })
  if (!certificate.ok) return certificate

  await writeFileAtomic(join(folder, 'gateway.key'), key)
  await writeFileAtomic(join(folder, 'gateway.pem'), certificate.value)
  await writeFileAtomic(join(folder, 'link-authority.pem'), code.value.linkAuthority)
  const configuration = join(folder, 'gateway.json')
  const content = {
    gatewayId: code.value.gatewayId,
    siteId: code.value.siteId,
    dataFolder: 'data',
    listeners: listenersOf(code.value, host),
    certificateFile: 'gateway.pem',
    keyFile: 'gateway.key',
    linkAuthorityFile: 'link-authority.pem',
  }
  await writeFileAtomic(configuration, `${JSON.stringify(content, null, 2)}\n`) // 2
  return ok(configuration)
}

interface Waiting {
  code: JoinCode
  key: string
  host: string
  log: Log
  signal: AbortSignal
}

/** @returns the certificate, or why there will be none with this code */
async function waitForSite({ code, key, host, log, signal }: Waiting): Promise<Result<string>> {
  const server = createServer({
    ...secureOptions(await selfSigned(code.gatewayId, key), key),
    requestCert: true,
    rejectUnauthorized: true,
    ca: code.linkAuthority,
    ALPNProtocols: [LINK_JOIN],
  })
  server.maxConnections = 8
  const port = await listen(server, { host, port: portOf(code.linkAddress) })
  if (!port.ok) return failed(port.problem)
  log.info('join.waiting', { address: code.linkAddress, port: port.value })
  const csr = await requestFor(code.gatewayId, key)
  try {
    return await new Promise<Result<string>>((resolve, reject) => {
      const giveUp = () => reject(signal.reason)
      signal.addEventListener('abort', giveUp)
      if (signal.aborted) giveUp()
      server.on('tlsClientError', (cause) => log.warn('join.refused', { reason: cause.message }))
      server.on('secureConnection', (socket: TLSSocket) => {
        socket.on('error', () => {})
        const names = (socket.getPeerX509Certificate()?.subjectAltName ?? '').split(', ')
        // 1
        if (!names.includes(`URI:${connectorUri(code.siteId)}`)) return socket.destroy()
        ask(socket, { secret: code.secret, csr }).then(resolve, (thrown: unknown) => {
          // The site dials again.
          log.warn('join.broke-off', { reason: reason(thrown) })
        })
      })
    })
  } finally {
    server.close()
  }
}

/** @throws when there is no whole answer */
async function ask(socket: TLSSocket, request: { secret: string; csr: string }): Promise<Result<string>> {
  const session = createLinkSession(socket)
  try {
    const answer = await session.request({
      method: 'POST',
      path: linkPaths.join,
      body: Buffer.from(JSON.stringify(request)),
      timeoutMs: ANSWER_TIMEOUT_MS,
    })
    if (!answer.ok) throw new Error(answer.problem.detail)
    return await readCertificate(answer.value)
  } finally {
    session.destroy('joined')
  }
}

/** Reads the answer to `linkPaths.join` and `linkPaths.certificate`. @throws when it breaks off or makes no sense */
export async function readCertificate(answer: LinkAnswer): Promise<Result<string>> {
  const value = await readJson(answer, MAX_ANSWER_BYTES)
  return answer.status === 200
    ? ok(GatewayCertificate.parse(value).certificate)
    : failed(readProblem(value, answer.status))
}

/** One port when the addresses name one, else three. */
function listenersOf(code: JoinCode, host: string): Record<string, ListenAddress> {
  const ports = {
    enrolment: urlPort(code.enrolmentUrl),
    device: urlPort(code.deviceUrl),
    link: portOf(code.linkAddress),
  }
  if (new Set(Object.values(ports)).size === 1) return { shared: { host, port: ports.device } }
  return Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, { host, port }]))
}

const urlPort = (url: string): number => Number(new URL(url).port || 443)
const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))
