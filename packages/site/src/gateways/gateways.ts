/**
 * The site's gateways: made by an administrator, dialled by the connector, named to devices.
 *
 * Owns the table and what is known of each link. Does not own the links (`connector/`) nor what a
 * gateway holds (`content/`).
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  type CloudPointId,
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
import { moveGatewayContent } from '../content/gateway-content.ts'
import { holdPoint } from '../content/lock-point.ts'
import type { Database, Db } from '../db/database.ts'
import type { GatewaysTables } from '../db/schema/gateways.ts'
import { isUniqueViolation } from '../db/violation.ts'
import { newId } from '../identity/new-id.ts'
import type { SiteIdentity } from '../identity/site-identity.ts'
import type { Log } from '../log.ts'
import { hostOf } from './link-address.ts'
import { countOutbound, outboundBytes, outboundLevel, thresholdColumns, thresholdOf } from './outbound.ts'

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
  /** Remembers it, and makes a code to join with. `CONFLICT` when the name is taken; `NOT_FOUND` without its storage. */
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

/** @throws ProblemError `NOT_FOUND` */
async function findPoint(trx: Db, id: CloudPointId): Promise<void> {
  if (!(await holdPoint(trx, id))) fail('NOT_FOUND', `There is no distribution point ${id}.`)
}

const certificateEnd = (expiresAt: number | undefined) =>
  expiresAt === undefined ? {} : { certificateExpiresAt: timestamp(expiresAt) }

const addressesIn = (row: Row): Addresses => ({
  deviceUrl: row.device_url,
  enrolmentUrl: row.enrolment_url,
  linkAddress: row.link_address,
})

const mustStop = (row: Row, sent: number): boolean =>
  row.stop_when_critical === 1 && outboundLevel(thresholdOf(row), sent) === 'critical'

export function createGateways({ db, identity, clock, log }: GatewaysOptions): Gateways {
  const links = new Map<GatewayId, LinkState>()
  const certificates = new Map<GatewayId, number>()
  const connections = new Map<GatewayId, () => GatewayConnection[]>()
  const listeners = new Set<(id: GatewayId) => void>()
  const startedAt = timestamp(clock.now())

  const rows = (): Promise<Row[]> => db.selectFrom('gateways').selectAll().orderBy('created_at').orderBy('id').execute()
  const info = (row: Row, outbound: number): GatewayInfo => ({
    id: row.id,
    name: row.name,
    kind: row.kind,
    deviceUrl: row.device_url,
    enrolmentUrl: row.enrolment_url,
    linkAddress: row.link_address,
    serveContent: row.serve_content === 1,
    ...(row.content_point === null ? {} : { contentPoint: row.content_point }),
    link: links.get(row.id) ?? { state: 'down', since: startedAt },
    connections: connections.get(row.id)?.() ?? [],
    packBytesServed: row.earlier_pack_bytes + row.pack_bytes,
    pageBytesServed: row.earlier_page_bytes + row.page_bytes,
    outbound: thresholdOf(row),
    outboundBytes: outbound,
    storageLimitBytes: row.storage_limit_bytes,
    ...(row.stopped_at === null ? {} : { stoppedAt: timestamp(row.stopped_at) }),
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
        serveContent: row.serve_content === 1 && row.stopped_at === null,
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
      const sent = await outboundBytes(db, clock.now())
      return (await rows()).map((row) => info(row, sent.get(row.id) ?? 0))
    },

    async create(request) {
      const id = newId('gw', GatewayId)
      changeConcerns(id)
      const { offer, kept } = newJoinCode(id, request)
      try {
        await db.transaction().execute(async (trx) => {
          if (request.contentPoint !== undefined) await findPoint(trx, request.contentPoint)
          await trx
            .insertInto('gateways')
            .values({
              id,
              name: request.name,
              kind: request.kind,
              device_url: request.deviceUrl,
              enrolment_url: request.enrolmentUrl,
              link_address: request.linkAddress,
              serve_content: request.serveContent ? 1 : 0,
              content_point: request.contentPoint ?? null,
              created_at: clock.now(),
              ...kept,
              traffic_since: null,
              pack_bytes: 0,
              page_bytes: 0,
              earlier_pack_bytes: 0,
              earlier_page_bytes: 0,
            })
            .execute()
        })
      } catch (error) {
        if (isUniqueViolation(error)) fail('CONFLICT', `There is a gateway ${request.name} already.`)
        throw error
      }
      log.info('gateway made', { gatewayId: id, name: request.name })
      changed(id)
      return offer
    },

    async offerJoin(idText) {
      const row = await find(idText)
      const gateway = { id: row.id, ...addressesIn(row) }
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
      const issued = await issue(csr, id, addressesIn(row))
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
      const renewed = await issue(csr, id, addressesIn(await find(id)))
      log.info('gateway certificate renewed', { gatewayId: id })
      return renewed
    },

    async change(idText, wanted) {
      const { deviceUrl, enrolmentUrl, linkAddress, serveContent, contentPoint, outbound, storageLimitBytes } = wanted
      const { id } = await find(idText)
      const set = {
        ...(deviceUrl === undefined ? {} : { device_url: deviceUrl }),
        ...(enrolmentUrl === undefined ? {} : { enrolment_url: enrolmentUrl }),
        ...(linkAddress === undefined ? {} : { link_address: linkAddress }),
        ...(serveContent === undefined ? {} : { serve_content: serveContent ? (1 as const) : (0 as const) }),
        ...(contentPoint === undefined ? {} : { content_point: contentPoint }),
        ...(outbound === undefined ? {} : thresholdColumns(outbound)),
        ...(storageLimitBytes === undefined ? {} : { storage_limit_bytes: storageLimitBytes }),
      }
      if (Object.keys(set).length > 0)
        await db.transaction().execute(async (trx) => {
          if (contentPoint !== undefined) {
            if (contentPoint !== null) await findPoint(trx, contentPoint)
            const { content_point } = await trx
              .selectFrom('gateways')
              .select('content_point')
              .where('id', '=', id)
              .executeTakeFirstOrThrow()
            await moveGatewayContent({ trx, clock, from: content_point ?? id, to: contentPoint ?? id })
          }
          await trx.updateTable('gateways').set(set).where('id', '=', id).execute()
        })
      const row = await find(id)
      const sent = (await outboundBytes(db, clock.now())).get(id) ?? 0
      const startsAgain = row.stopped_at !== null && !mustStop(row, sent)
      if (startsAgain) await db.updateTable('gateways').set({ stopped_at: null }).where('id', '=', id).execute()
      log.info('gateway changed', { gatewayId: id, serveContent: row.serve_content === 1 })
      changed(id)
      return info(startsAgain ? { ...row, stopped_at: null } : row, sent)
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
      const stops = await db.transaction().execute(async (trx) => {
        const row = await trx.selectFrom('gateways').selectAll().where('id', '=', id).executeTakeFirst()
        if (row === undefined || (row.traffic_since !== null && since < row.traffic_since)) return false
        const same = row.traffic_since === since
        await countOutbound(trx, id, clock.now(), {
          pack: Math.max(0, report.packBytes - (same ? row.pack_bytes : 0)),
          page: Math.max(0, report.pageBytes - (same ? row.page_bytes : 0)),
        })
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
        if (row.stopped_at !== null || row.stop_when_critical === 0) return false
        if (!mustStop(row, (await outboundBytes(trx, clock.now())).get(id) ?? 0)) return false
        await trx.updateTable('gateways').set({ stopped_at: clock.now() }).where('id', '=', id).execute()
        return true
      })
      if (!stops) return
      log.warn('a gateway serves no content any more: its critical outbound threshold is exceeded', { gatewayId: id })
      changed(id)
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
