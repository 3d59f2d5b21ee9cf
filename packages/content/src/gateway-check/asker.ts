/** Requests to a gateway as a device makes them: straight or through a proxy, with and without its certificate. */
import { Agent, type AgentOptions } from 'node:https'
import {
  type DeviceRouteId,
  devicePath,
  deviceRoutes,
  ENROLMENT_SERVER_NAME,
  failed,
  type Problem,
  problem,
  type Result,
  readProblem,
} from '@sluice/protocol'
import { type Exchange, exchange } from '../https/exchange.ts'
import { checkBounds } from './dial.ts'

/** Largest answer that a check reads. */
const ANSWER_BYTES = 4 * 1024 * 1024

export interface AskerOptions {
  deviceUrl: string
  enrolmentUrl: string
  authorities: readonly string[]
  credentials?: { certificate: string; key: string } | undefined
  proxyUrl?: string | undefined
  signal: AbortSignal
}

export interface Asker {
  /** Shows no certificate, and looks at none: for what anybody may hear. On one connection that is kept. */
  stranger(path: string, door: 'enrolment' | 'device', more?: { body?: unknown }): Promise<Result<Exchange>>
  /** As the device; whatever is not a success is the problem that came. */
  device(route: DeviceRouteId, parameters: Record<string, string>, body?: unknown): Promise<Result<Exchange>>
  /** A signed address; the device shows its certificate to gateways only. */
  object(url: URL, range: string): Promise<Result<Exchange>>
  /** For requests that do not end by themselves. */
  deviceAgent: Agent
  close(): void
}

export function createAsker(options: AskerOptions): Asker {
  const { deviceUrl, enrolmentUrl, authorities, credentials, proxyUrl, signal } = options
  const tls: AgentOptions = {
    ...(authorities.length === 0 ? {} : { ca: [...authorities] }),
    ...(proxyUrl === undefined ? {} : { proxyEnv: { https_proxy: proxyUrl } }),
    minVersion: 'TLSv1.2',
    maxCachedSessions: 0,
  }
  const own = credentials === undefined ? {} : { cert: credentials.certificate, key: credentials.key }
  const stranger: AgentOptions = { ...tls, keepAlive: true, maxSockets: 1, rejectUnauthorized: false }
  const strange = {
    // The name stands here and not at each request: a connection is kept for requests that agree in all.
    enrolment: new Agent({ ...stranger, servername: ENROLMENT_SERVER_NAME }),
    device: new Agent(stranger),
  }
  const device = new Agent({ ...tls, ...own })
  const cloud = new Agent({ minVersion: 'TLSv1.2' })
  const bounds = { maxAnswerBytes: ANSWER_BYTES, idleMs: checkBounds.hopMs, totalMs: 2 * checkBounds.hopMs, signal }
  const json = { 'content-type': 'application/json' }
  const write = (body: unknown) => Buffer.from(JSON.stringify(body))

  return {
    stranger: (path, door, { body } = {}) =>
      exchange(new URL(path, door === 'enrolment' ? enrolmentUrl : deviceUrl), {
        ...{ ...bounds, agent: strange[door], method: body === undefined ? 'GET' : 'POST' },
        headers: body === undefined ? {} : json,
        body: body === undefined ? undefined : write(body),
      }),
    async device(route, parameters, body) {
      const answered = await exchange(new URL(devicePath(route, parameters), deviceUrl), {
        ...{ ...bounds, agent: device, method: deviceRoutes[route].method },
        headers: body === undefined ? {} : json,
        body: body === undefined ? undefined : write(body),
      })
      if (!answered.ok || answered.value.status < 300) return answered
      return failed(refusalOf(answered.value))
    },
    async object(url, range) {
      const ofGateway = url.origin === new URL(deviceUrl).origin
      const answered = await exchange(url, {
        ...{ ...bounds, agent: ofGateway ? device : cloud, method: 'GET', headers: { range } },
      })
      if (!answered.ok || answered.value.status < 300) return answered
      const { status } = answered.value
      return failed(
        ofGateway ? refusalOf(answered.value) : problem('STORAGE_REFUSED', `${url.host}: it answers ${status}.`),
      )
    },
    deviceAgent: device,
    close() {
      for (const agent of [strange.enrolment, strange.device, device, cloud]) agent.destroy()
    },
  }
}

/** What an answer that is none says. */
export const refusalOf = ({ status, body }: Pick<Exchange, 'status' | 'body'>): Problem =>
  readProblem(parsed(body), status)

export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
