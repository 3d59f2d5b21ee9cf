/** The connector of a site with a database and authorities of its own; content and device plane are turned by hand. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  ContentId,
  type ContentReport,
  DeviceId,
  deviceRoutes,
  failed,
  type GatewayContent,
  type GatewayId,
  ok,
  PackageId,
  problem,
  readJoinCode,
  Sha256,
  type StoredObject,
} from '@sluice/protocol'
import { systemClock } from '../../clock.ts'
import { openDatabase } from '../../db/database.ts'
import type { DevicePlane, RelayedCall, RelayedReply } from '../../device-plane/device-plane.ts'
import { createGateways } from '../../gateways/gateways.ts'
import { readCertificateRequest } from '../../identity/certificate-request.ts'
import { openSiteIdentity } from '../../identity/site-identity.ts'
import { silentLog } from '../../log.ts'
import { makeDeviceKey } from '../../testing/device-key.ts'
import { type ConnectorOptions, createConnector } from '../connector.ts'

export type LinkedSite = Awaited<ReturnType<typeof createLinkedSite>>

export async function createLinkedSite() {
  const folder = await mkdtemp(join(tmpdir(), 'site-link-'))
  const opened = await openDatabase({ kind: 'sqlite', path: join(folder, 'site.db') })
  if (!opened.ok) throw new Error(opened.problem.detail)
  const db = opened.value
  const clock = systemClock
  const identity = await openSiteIdentity({ db, folder: join(folder, 'keys'), clock, log: silentLog })
  const gateways = createGateways({ db, identity, clock, log: silentLog })

  const revoked: Sha256[] = []
  const contents: { content: GatewayContent; objects: StoredObject[] }[] = []
  const objects = new Map<string, Buffer>()
  const reports: (ContentReport & { gatewayId: GatewayId })[] = []
  const calls: (RelayedCall & { routeId: string })[] = []

  const site = {
    folder,
    db,
    identity,
    gateways,
    revoked,
    reports,
    calls,
    onCall: async (routeId: string, call: RelayedCall): Promise<RelayedReply> => ({
      status: 200,
      contentType: 'application/json',
      body: Buffer.from(JSON.stringify({ routeId, body: Buffer.from(call.bodyBytes).toString() })),
    }),
    /** Bytes of objects as the library gives them, by `kind/hash`. */
    objects,
    addContent(...parts: Buffer[]): ContentId {
      const stored = parts.map(
        (bytes): StoredObject => ({ kind: 'pack', hash: sha256(bytes), sizeBytes: bytes.length }),
      )
      for (const [i, { kind, hash }] of stored.entries()) objects.set(`${kind}/${hash}`, parts[i] ?? Buffer.alloc(0))
      const contentId = ContentId.parse(sha256(Buffer.from(JSON.stringify(stored))))
      const totalBytes = stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      const content = {
        contentId,
        packageId: PackageId.parse('ABC00001'),
        revision: 1,
        objectCount: stored.length,
        totalBytes,
        own: true,
        points: [],
      }
      contents.push({ content, objects: stored })
      return contentId
    },
    /** A device with its certificate. */
    async makeDevice(id: string) {
      const key = await makeDeviceKey()
      const request = await readCertificateRequest(await key.request())
      if (!request.ok) throw new Error(request.problem.detail)
      const issued = await identity.issueDeviceCertificate(request.value, DeviceId.parse(id))
      return { key: key.privateKey, cert: issued.pem, hash: issued.hash }
    },
    /** A gateway's row and credentials; where it listens is set once it does. */
    async makeGateway(name: string) {
      const key = await makeDeviceKey()
      const { gatewayId, code } = await gateways.create({
        name,
        kind: 'internet',
        deviceUrl: 'https://127.0.0.1:1',
        enrolmentUrl: 'https://127.0.0.1:1',
        linkAddress: '127.0.0.1:1',
        serveContent: true,
      })
      const read = readJoinCode(code)
      if (!read.ok) throw new Error(read.problem.detail)
      const { siteId, linkAuthority, secret } = read.value
      const { certificate } = await gateways.join(gatewayId, { secret, csr: await key.request() })
      return { gatewayId, siteId, linkAuthority, certificate, key: key.privateKey }
    },
    async moveGateway(id: GatewayId, linkPort: number) {
      await db
        .updateTable('gateways')
        .set({ link_address: `127.0.0.1:${linkPort}` })
        .where('id', '=', id)
        .execute()
    },
    connector: (more: Partial<ConnectorOptions> = {}) =>
      createConnector({
        gateways,
        identity,
        devicePlane,
        content: {
          gatewayContents: async () => contents.map(({ content }) => content),
          contentObjects: async (id) => {
            const found = contents.find(({ content }) => content.contentId === id)
            return found === undefined ? failed(problem('NOT_FOUND', id)) : ok(found.objects)
          },
          openObject: async (kind, hash, range) => {
            const bytes = objects.get(`${kind}/${hash}`)
            if (bytes === undefined) return failed(problem('PACK_GONE', hash))
            return ok({ body: Readable.from([bytes.subarray(range?.start, range?.end)]), totalBytes: bytes.length })
          },
          contentReport: async (gatewayId, report) => void reports.push({ ...report, gatewayId }),
        },
        distributionPoints: async () => [],
        contentTokenKeys: () => ({}),
        revokedCertificates: async () => [...revoked],
        clock,
        log: silentLog,
        ...more,
      }),
    async close() {
      await db.destroy()
      await rm(folder, { recursive: true })
    },
  }
  const devicePlane: DevicePlane = {
    maxBodyBytes: (id) => {
      const route = deviceRoutes[id as keyof typeof deviceRoutes]
      return route?.answeredBy === 'site' ? route.maxBodyBytes : undefined
    },
    handle: async (routeId, call) => {
      calls.push({ routeId, ...call })
      return await site.onCall(routeId, call)
    },
  }
  return site
}

/** A port of loopback that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await once(server.close(), 'close')
  return port
}

export const sha256 = (bytes: Uint8Array): Sha256 => Sha256.parse(createHash('sha256').update(bytes).digest('hex'))

/** Waits for a condition, for at most fifteen seconds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 120_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
