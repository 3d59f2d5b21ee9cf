/**
 * The site's gateways: made by an administrator, dialled by the connector, named to devices.
 *
 * Owns the table and what is known of each link. Does not own the links (`connector/`) nor what a
 * gateway holds (`content/`).
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  fail,
  type GatewayAddress,
  type GatewayCertificate,
  type GatewayChange,
  type GatewayConnection,
  type GatewayCreate,
  GatewayId,
  type GatewayInfo,
  type GatewayJoinOffer,
  type JoinRequest,
  ProblemError,
  type TrafficReport,
  writeJoinCode,
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
  /** Somebody has a code to join with, and has not used it yet. */
  awaitsJoin: boolean
}

/** Whoever sets up a gateway has a day for it. */
const JOIN_LIFE_MS = 24 * 3600_000

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
  /** Remembers it, and makes a code to join with. `CONFLICT` when the name is taken. */
  create(request: z.output<typeof GatewayCreate>): Promise<GatewayJoinOffer>
  /** A code for whatever takes the place of the gateway; an earlier one holds no more. `NOT_FOUND` */
  offerJoin(id: string): Promise<GatewayJoinOffer>
  /**
   * Signs the key of whoever has the secret of the code, once.
   * `NOT_AUTHENTICATED` when the code is unknown, used or expired; `BAD_REQUEST` when the request cannot be used.
   */
  join(id: GatewayId, request: JoinRequest): Promise<GatewayCertificate>
  /** Forgets the gateway. `NOT_FOUND` */
  remove(id: string): Promise<void>
  /** `NOT_FOUND` */
  change(id: string, change: z.output<typeof GatewayChange>): Promise<GatewayInfo>
  /** Signs the gateway's key anew. `NOT_FOUND`, `BAD_REQUEST` */
  renew(id: GatewayId, request: { csr: string }): Promise<GatewayCertificate>
  /** A gateway counted its bytes; a report that is older than the last one changes nothing. */
  recordTraffic(id: GatewayId, report: TrafficReport): Promise<void>
  /** What the connector knows of a link; `since` counts when the state is another than before. */
  recordLink(id: GatewayId, link: LinkState): void
  /** What the connector counted on the connections of a link. */
  recordConnections(id: GatewayId, connections: () => GatewayConnection[]): void
  /** When the certificate ends that a gateway showed; milliseconds since 1970. */
  recordCertificate(id: GatewayId, expiresAt: number): void
  /** Called after a gateway was made, changed or removed. */
  onChange(listener: (id: GatewayId) => void): void
}

type Row = Selectable<GatewaysTables['gateways']>

type Addresses = Pick<GatewayInfo, 'deviceUrl' | 'enrolmentUrl' | 'linkAddress'>

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

const certificateEnd = (expiresAt: number | undefined) =>
  expiresAt === undefined ? {} : { certificateExpiresAt: timestamp(expiresAt) }

export function createGateways({ db, identity, clock, log }: GatewaysOptions): Gateways {
  const links = new Map<GatewayId, LinkState>()
  const certificates = new Map<GatewayId, number>()
  const connections = new Map<GatewayId, () => GatewayConnection[]>()
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
    connections: connections.get(row.id)?.() ?? [],
    packBytesServed: row.earlier_pack_bytes + row.pack_bytes,
    pageBytesServed: row.earlier_page_bytes + row.page_bytes,
    ...certificateEnd(certificates.get(row.id)),
    ...(awaitsJoin(row) ? { joinCodeExpiresAt: timestamp(row.join_expires_at ?? 0) } : {}),
  })
  const awaitsJoin = (row: Row): boolean => row.join_hash !== null && (row.join_expires_at ?? 0) > clock.now()
  const find = async (id: string): Promise<Row> =>
    (await rows()).find((row) => row.id === id) ?? fail('NOT_FOUND', `There is no gateway ${id}.`)

  /** @returns the code, and what the database keeps of it */
  function newJoinCode(gatewayId: GatewayId, addresses: Addresses) {
    const secret = randomBytes(32).toString('base64url')
    const { siteId, linkAuthority } = identity
    const { deviceUrl, enrolmentUrl, linkAddress } = addresses
    const expiresAt = clock.now() + JOIN_LIFE_MS
    const code = writeJoinCode({ v: 1, siteId, gatewayId, secret, linkAuthority, deviceUrl, enrolmentUrl, linkAddress })
    return {
      offer: { gatewayId, code, expiresAt: timestamp(expiresAt) },
      kept: { join_hash: hashOf(secret), join_expires_at: expiresAt },
    }
  }

  async function issue(csr: string, gatewayId: GatewayId, addresses: Addresses): Promise<GatewayCertificate> {
    const hosts = [
      new URL(addresses.deviceUrl).hostname,
      new URL(addresses.enrolmentUrl).hostname,
      hostOf(addresses.linkAddress),
    ]
    const issued = await identity.issueGatewayCertificate({ csr, gatewayId, hosts })
    if (!issued.ok) throw new ProblemError(issued.problem)
    return { certificate: issued.value.pem }
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
        awaitsJoin: awaitsJoin(row),
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
      const { offer, kept } = newJoinCode(id, request)
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
            content_point: null,
            created_at: clock.now(),
            ...kept,
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
      return offer
    },

    async offerJoin(idText) {
      const gateway = info(await find(idText))
      const { offer, kept } = newJoinCode(gateway.id, gateway)
      await db.updateTable('gateways').set(kept).where('id', '=', gateway.id).execute()
      log.info('join code made', { gatewayId: gateway.id })
      changed(gateway.id)
      return offer
    },

    async join(id, { secret, csr }) {
      const row = await find(id)
      const refused = () => fail('NOT_AUTHENTICATED', 'The join code is unknown, used or expired.')
      if (!awaitsJoin(row) || row.join_hash !== hashOf(secret)) refused()
      const issued = await issue(csr, id, info(row))
      const used = await db
        .updateTable('gateways')
        .set({ join_hash: null, join_expires_at: null })
        .where('id', '=', id)
        .where('join_hash', '=', hashOf(secret))
        .where('join_expires_at', '>', clock.now())
        .executeTakeFirst()
      // The update decides who was first.
      if (used.numUpdatedRows !== 1n) refused()
      log.info('gateway joined', { gatewayId: id })
      return issued
    },

    async renew(id, { csr }) {
      const renewed = await issue(csr, id, info(await find(id)))
      log.info('gateway certificate renewed', { gatewayId: id })
      return renewed
    },

    async change(idText, { deviceUrl, enrolmentUrl, linkAddress, serveContent }) {
      const { id } = await find(idText)
      const set = {
        ...(deviceUrl === undefined ? {} : { device_url: deviceUrl }),
        ...(enrolmentUrl === undefined ? {} : { enrolment_url: enrolmentUrl }),
        ...(linkAddress === undefined ? {} : { link_address: linkAddress }),
        ...(serveContent === undefined ? {} : { serve_content: serveContent ? (1 as const) : (0 as const) }),
      }
      if (Object.keys(set).length > 0) await db.updateTable('gateways').set(set).where('id', '=', id).execute()
      const row = await find(id)
      log.info('gateway changed', { gatewayId: id, serveContent: row.serve_content === 1 })
      changed(id)
      return info(row)
    },

    async remove(idText) {
      const { id, name } = await find(idText)
      await db.transaction().execute(async (trx) => {
        await trx.deleteFrom('distributions').where('point_id', '=', id).execute()
        await trx.deleteFrom('gateways').where('id', '=', id).execute()
      })
      for (const known of [links, certificates, connections]) known.delete(id)
      log.info('gateway removed', { gatewayId: id, name })
      changed(id)
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
    recordConnections: (id, read) => void connections.set(id, read),
    recordCertificate: (id, expiresAt) => void certificates.set(id, expiresAt),
    onChange: (listener) => void listeners.add(listener),
  }
}
