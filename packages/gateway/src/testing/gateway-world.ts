/** A gateway on real sockets with real certificates, a site turned by hand, and devices that ask. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ContentId,
  connectorUri,
  DeviceId,
  GatewayId,
  gatewayUri,
  type ObjectKind,
  PackageId,
  Sha256,
  SiteId,
  type StoredObject,
} from '@sluice/protocol'
import { SignJWT } from 'jose'
import { createGateway, type Gateway } from '../gateway.ts'
import { createLog } from '../log.ts'
import { GatewayConfig } from '../settings/config.ts'
import type { ListenerBounds } from '../tls/listener-bounds.ts'
import { type Credentials, issueDevice, makeAuthority } from './authorities.ts'
import { createHandSite } from './hand-site.ts'

export const siteId = SiteId.parse('site_0123456789')
export const otherSiteId = SiteId.parse('site_9876543210')
export const gatewayId = GatewayId.parse('gw_0123456789')
export const deviceId = DeviceId.parse('dev_0123456789')
export const otherDeviceId = DeviceId.parse('dev_9876543210')

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  json: () => { code?: string; [name: string]: unknown }
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** @param now the gateway's clock */
export async function createWorld({ now = Date.now }: { now?: () => number } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-gateway-'))
  const authority = {
    device: await makeAuthority(folder, 'device', 'clientAuth'),
    gateway: await makeAuthority(folder, 'gateway', 'serverAuth'),
    link: await makeAuthority(folder, 'link', 'clientAuth'),
    other: await makeAuthority(folder, 'other', 'clientAuth'),
  }
  const server = await authority.gateway.issue(gatewayUri(siteId, gatewayId))
  const device = await issueDevice(authority.device, siteId, deviceId)
  const tokenKeys = generateKeyPairSync('ed25519')
  const connector = await authority.link.issue(connectorUri(siteId))
  const makeSite = (instance: string) =>
    createHandSite({
      configuration: {
        gatewayId,
        siteId,
        name: 'Edge',
        kind: 'internet',
        serveContent: true,
        deviceAuthorities: authority.device.certificate,
        contentTokenKeys: { k1: rawKey(tokenKeys.publicKey.export({ format: 'der', type: 'spki' })) },
        revokedCertificates: [],
        distributionPoints: [],
        unlinkedContentMs: 4 * 3600_000,
      },
      gatewayAuthority: authority.gateway.certificate,
      credentials: connector,
      instance,
    })
  const site = makeSite('only')
  const logged: string[] = []
  const log = createLog((line) => logged.push(line))
  const agents: Agent[] = []
  let gateway: Gateway | undefined

  const world = {
    folder,
    authority,
    site,
    /** Another process of the same site. */
    makeSite,
    /** Credentials of the device `deviceId`. */
    device,
    server,
    logged,
    /** An agent of its own: one connection, kept. */
    agent(credentials?: Credentials): Agent {
      const agent = new Agent({
        ca: authority.gateway.certificate,
        ...(credentials === undefined ? {} : { cert: credentials.cert, key: credentials.key }),
        keepAlive: true,
        maxSockets: 1,
        maxCachedSessions: 10,
      })
      agents.push(agent)
      return agent
    },
    config(overrides: Partial<import('zod').input<typeof GatewayConfig>> = {}): GatewayConfig {
      const anywhere = { host: '127.0.0.1', port: 0 }
      return GatewayConfig.parse({
        gatewayId,
        siteId,
        dataFolder: join(folder, 'data'),
        listeners: { enrolment: anywhere, device: anywhere, link: anywhere },
        certificateFile: 'unused',
        keyFile: 'unused',
        linkAuthorityFile: 'unused',
        drainMs: 500,
        ...overrides,
      })
    },
    async start(
      overrides: Partial<import('zod').input<typeof GatewayConfig>> = {},
      bounds: Partial<ListenerBounds> = {},
    ): Promise<Gateway> {
      const created = await createGateway({
        config: world.config(overrides),
        tls: { certificate: server.cert, key: server.key, linkAuthority: authority.link.certificate },
        log,
        now,
        bounds,
      })
      if (!created.ok) throw new Error(`${created.problem.code}: ${created.problem.detail}`)
      gateway = created.value
      return gateway
    },
    /** Starts, and waits until the site was heard of. */
    async startLinked(
      overrides: Partial<import('zod').input<typeof GatewayConfig>> = {},
      bounds: Partial<ListenerBounds> = {},
    ): Promise<Gateway> {
      const started = await world.start(overrides, bounds)
      await site.connect(started.ports.link)
      await world.logs('link.up')
      return started
    },
    /** Waits until an event was logged `times` times. */
    logs: (event: string, times = 1) =>
      until(() => logged.filter((line) => line.includes(`"message":"${event}"`)).length >= times, event),
    ports() {
      if (gateway === undefined) throw new Error('not started')
      return gateway.ports
    },
    async stop(): Promise<void> {
      await gateway?.stop()
      gateway = undefined
    },
    async close(): Promise<void> {
      for (const agent of agents) agent.destroy()
      await world.stop()
      site.cut()
      await rm(folder, { recursive: true })
    },
    /** Signs a content token as the site does; `change` makes it another. */
    token(contents: ContentId[], change: TokenChange = {}): Promise<string> {
      const claims = {
        iss: siteId as string,
        sub: deviceId as string,
        aud: 'sluice-content',
        jti: 'token-1',
        cnf: { 'x5t#S256': Buffer.from(device.hash, 'hex').toString('base64url') },
        contents: contents as string[],
        ...change.claims,
      }
      const issuedAt = Math.floor(now() / 1000)
      return new SignJWT(claims)
        .setProtectedHeader({ alg: 'EdDSA', typ: 'content+jwt', kid: 'k1', ...change.header })
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + (change.lifeS ?? 24 * 3600))
        .sign(change.key ?? tokenKeys.privateKey)
    },
    /** Gives the gateway a content with these objects to hold. */
    addContent(...objects: { kind: ObjectKind; bytes: Buffer }[]): { contentId: ContentId; objects: StoredObject[] } {
      const stored = objects.map(({ kind, bytes }) => ({ kind, hash: sha256(bytes), sizeBytes: bytes.length }))
      for (const [i, { kind, hash }] of stored.entries())
        site.objects.set(`${kind}/${hash}`, objects[i]?.bytes ?? Buffer.alloc(0))
      const contentId = ContentId.parse(sha256(Buffer.from(JSON.stringify(stored))))
      const content = {
        contentId,
        packageId: PackageId.parse('ABC00001'),
        revision: 1,
        objectCount: stored.length,
        totalBytes: stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        own: true,
        points: [],
      }
      site.contents.push({ content, objects: stored })
      return { contentId, objects: stored }
    },
    /** Waits until the site was told that a content is in this state. */
    reported: (contentId: ContentId, state: string) =>
      until(
        () => site.contentReports.some((report) => report.contentId === contentId && report.state === state),
        `${state} of ${contentId}`,
      ),
  }
  return world
}

export interface TokenChange {
  claims?: Record<string, unknown>
  header?: Record<string, string>
  lifeS?: number
  key?: Parameters<SignJWT['sign']>[0]
}

export interface Ask extends RequestOptions {
  port: number
  agent: Agent
  body?: Buffer | string
}

/** One request of a device, read whole. */
export function ask(path: string, { body, ...options }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', path, ...options }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.once('error', reject)
      incoming.once('end', () => {
        const whole = Buffer.concat(chunks)
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: whole,
          json: () => JSON.parse(whole.toString()) as { code?: string },
        })
      })
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

export interface Heard {
  status: number
  /** Lines so far, as they came. */
  lines: string[]
  ended: boolean
  close(): void
}

/** Opens the quiet request of a device. */
export function hear(port: number, agent: Agent): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, agent, path: '/v1/notify' }, (incoming) => {
      const heard: Heard = {
        status: incoming.statusCode ?? 0,
        lines: [],
        ended: false,
        close: () => outgoing.destroy(),
      }
      incoming.on('data', (chunk: Buffer) => heard.lines.push(...chunk.toString().trim().split('\n')))
      incoming.on('error', () => {})
      incoming.once('close', () => {
        heard.ended = true
      })
      resolve(heard)
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
}

/** Waits for a condition, for at most two minutes unless said otherwise. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 120_000,
): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export const sha256 = (bytes: Uint8Array): Sha256 => Sha256.parse(createHash('sha256').update(bytes).digest('hex'))

const rawKey = (spki: Buffer): string => spki.subarray(-32).toString('base64')
