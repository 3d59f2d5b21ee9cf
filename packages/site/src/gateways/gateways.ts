/**
 * The site's gateways: made by an administrator, dialled by the connector, named to devices.
 *
 * Owns the table and what is known of each link. Does not own the links (`connector/`) nor what a
 * gateway holds (`content/`).
 */
import {
  fail,
  type GatewayAddress,
  type GatewayChange,
  type GatewayCreate,
  GatewayId,
  type GatewayInfo,
  type GatewayJoin,
  ProblemError,
  type TrafficReport,
} from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import type { z } from 'zod'
import { changeConcerns } from '../administrators/audit/change.ts'
import { type Clock, timestamp } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { GatewaysTables } from '../db/schema/gateways.ts'
import { isUniqueViolation } from '../db/violation.ts'
import { newId } from '../identity/new-id.ts'
import type { SiteIdentity } from '../identity/site-identity.ts'
import type { Log } from '../log.ts'
import { hostOf } from './link-address.ts'

/** What the rest of the site needs to know of a gateway. */
export interface Gateway {
  id: GatewayId
  name: string
  kind: 'internet' | 'internal'
  /** `host:port`. */
  linkAddress: string
  serveContent: boolean
}

export type LinkState = GatewayInfo['link']

export interface GatewaysOptions {
  db: Kysely<Database>
  identity: Pick<SiteIdentity, 'siteId' | 'linkAuthority' | 'issueGatewayCertificate'>
  clock: Clock
  log: Log
}

export interface Gateways {
  /** All, oldest first. */
  list(): Promise<Gateway[]>
  /** Where devices reach them, best first; for policy and for what a device gets to enrol with. */
  addresses(): Promise<GatewayAddress[]>
  /** As the administrator sees them. */
  infos(): Promise<GatewayInfo[]>
  /** Signs the gateway's key and remembers it. `CONFLICT` when the name is taken, `BAD_REQUEST` for a request that cannot be used. */
  create(request: z.output<typeof GatewayCreate>): Promise<GatewayJoin>
  /** `NOT_FOUND` */
  change(id: string, change: z.output<typeof GatewayChange>): Promise<GatewayInfo>
  /** Signs the gateway's key anew. `NOT_FOUND`, `BAD_REQUEST` */
  renew(id: string, request: { csr: string }): Promise<GatewayJoin>
  /** A gateway counted its bytes; a report that is older than the last one changes nothing. */
  recordTraffic(id: GatewayId, report: TrafficReport): Promise<void>
  /** What the connector knows of a link; `since` counts when the state is another than before. */
  recordLink(id: GatewayId, link: LinkState): void
  /** When the certificate ends that a gateway showed; milliseconds since 1970. */
  recordCertificate(id: GatewayId, expiresAt: number): void
  /** Called after a gateway was made or changed. */
  onChange(listener: (id: GatewayId) => void): void
}

type Row = Selectable<GatewaysTables['gateways']>

type Addresses = Pick<GatewayInfo, 'deviceUrl' | 'enrolmentUrl' | 'linkAddress'>

const certificateEnd = (expiresAt: number | undefined) =>
  expiresAt === undefined ? {} : { certificateExpiresAt: timestamp(expiresAt) }

export function createGateways({ db, identity, clock, log }: GatewaysOptions): Gateways {
  const links = new Map<GatewayId, LinkState>()
  const certificates = new Map<GatewayId, number>()
  const listeners = new Set<(id: GatewayId) => void>()
  const startedAt = timestamp(clock.now())

  const rows = (): Promise<Row[]> => db.selectFrom('gateways').selectAll().orderBy('created_at').orderBy('id').execute()
  const info = (row: Row): GatewayInfo => ({
    id: row.id,
    name: row.name,
    kind: row.kind,
    deviceUrl: row.device_url,
    enrolmentUrl: row.enrolment_url,
    linkAddress: row.link_address,
    serveContent: row.serve_content === 1,
    link: links.get(row.id) ?? { state: 'down', since: startedAt },
    packBytesServed: row.earlier_pack_bytes + row.pack_bytes,
    pageBytesServed: row.earlier_page_bytes + row.page_bytes,
    ...certificateEnd(certificates.get(row.id)),
  })
  async function issue(csr: string, gatewayId: GatewayId, addresses: Addresses): Promise<GatewayJoin> {
    const hosts = [
      new URL(addresses.deviceUrl).hostname,
      new URL(addresses.enrolmentUrl).hostname,
      hostOf(addresses.linkAddress),
    ]
    const issued = await identity.issueGatewayCertificate({ csr, gatewayId, hosts })
    if (!issued.ok) throw new ProblemError(issued.problem)
    const { siteId, linkAuthority } = identity
    return { gatewayId, siteId, certificate: issued.value.pem, linkAuthority }
  }
  const changed = (id: GatewayId) => {
    for (const listener of listeners) listener(id)
  }

  return {
    async list() {
      return (await rows()).map((row) => ({
        id: row.id,
        name: row.name,
        kind: row.kind,
        linkAddress: row.link_address,
        serveContent: row.serve_content === 1,
      }))
    },

    async addresses() {
      return (await rows()).map((row) => ({
        gatewayId: row.id,
        name: row.name,
        kind: row.kind,
        deviceUrl: row.device_url,
        enrolmentUrl: row.enrolment_url,
      }))
    },

    async infos() {
      return (await rows()).map(info)
    },

    async create(request) {
      const id = newId('gw', GatewayId)
      changeConcerns(id)
      const joined = await issue(request.csr, id, request)
      try {
        await db
          .insertInto('gateways')
          .values({
            id,
            name: request.name,
            kind: request.kind,
            device_url: request.deviceUrl,
            enrolment_url: request.enrolmentUrl,
            link_address: request.linkAddress,
            serve_content: request.serveContent ? 1 : 0,
            created_at: clock.now(),
            traffic_since: null,
            pack_bytes: 0,
            page_bytes: 0,
            earlier_pack_bytes: 0,
            earlier_page_bytes: 0,
          })
          .execute()
      } catch (error) {
        if (isUniqueViolation(error)) fail('CONFLICT', `There is a gateway ${request.name} already.`)
        throw error
      }
      log.info('gateway made', { gatewayId: id, name: request.name })
      changed(id)
      return joined
    },

    async renew(idText, { csr }) {
      const found = (await rows()).find(({ id }) => id === idText)
      const gateway = found === undefined ? fail('NOT_FOUND', `There is no gateway ${idText}.`) : info(found)
      const joined = await issue(csr, gateway.id, gateway)
      log.info('gateway certificate renewed', { gatewayId: gateway.id })
      return joined
    },

    async change(idText, { serveContent }) {
      if (serveContent !== undefined)
        await db
          .updateTable('gateways')
          .set({ serve_content: serveContent ? 1 : 0 })
          .where('id', '=', GatewayId.safeParse(idText).data ?? fail('NOT_FOUND', `There is no gateway ${idText}.`))
          .execute()
      const row = (await rows()).find(({ id }) => id === idText)
      if (row === undefined) fail('NOT_FOUND', `There is no gateway ${idText}.`)
      log.info('gateway changed', { gatewayId: row.id, serveContent: row.serve_content === 1 })
      changed(row.id)
      return info(row)
    },

    async recordTraffic(id, report) {
      const since = Date.parse(report.startedAt)
      await db.transaction().execute(async (trx) => {
        const row = await trx.selectFrom('gateways').selectAll().where('id', '=', id).executeTakeFirst()
        if (row === undefined || (row.traffic_since !== null && since < row.traffic_since)) return
        const same = row.traffic_since === since
        await trx
          .updateTable('gateways')
          .set({
            traffic_since: since,
            pack_bytes: same ? Math.max(row.pack_bytes, report.packBytes) : report.packBytes,
            page_bytes: same ? Math.max(row.page_bytes, report.pageBytes) : report.pageBytes,
            earlier_pack_bytes: row.earlier_pack_bytes + (same ? 0 : row.pack_bytes),
            earlier_page_bytes: row.earlier_page_bytes + (same ? 0 : row.page_bytes),
          })
          .where('id', '=', id)
          .execute()
      })
    },

    recordLink(id, link) {
      const before = links.get(id)
      links.set(id, before?.state === link.state ? { ...link, since: before.since } : link)
    },
    recordCertificate: (id, expiresAt) => void certificates.set(id, expiresAt),
    onChange: (listener) => void listeners.add(listener),
  }
}
