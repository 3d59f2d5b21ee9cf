/**
 * Who the site is, and whom it makes known: devices to gateways, gateways to devices, its connector
 * to gateways, its admin listener to administrators.
 *
 * Owns the authorities' files. Does not own who deserves a certificate: that is for devices and
 * gateways to decide.
 *
 * 1. Four authorities without a common root, each trusted for one thing only. With one root, a
 *    device's certificate would open the link, whose listener also asks for `clientAuth`.
 * 2. Authorities are made before the site's row, and never again once it is there: new ones would
 *    silently cut off every device and gateway.
 */
import { mkdir } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import {
  connectorUri,
  type DeviceId,
  deviceUri,
  fail,
  type GatewayId,
  gatewayUri,
  ok,
  type Result,
  SiteId,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import { type Authority, createAuthority, type IssuedCertificate, openAuthority, type Purpose } from './authority.ts'
import { type CertificateRequest, readCertificateRequest } from './certificate-request.ts'
import { newId } from './new-id.ts'
import { type JsonGeneralNames, PemConverter } from './x509.ts'

const DAY_MS = 24 * 3600_000
/** Design §5; renewed by the agent at 10 days left. */
export const DEVICE_CERTIFICATE_MS = 30 * DAY_MS
const GATEWAY_CERTIFICATE_MS = 2 * 365 * DAY_MS
/** Of keys that live in memory only and are made anew at each start or each call. */
const OWN_CERTIFICATE_MS = 365 * DAY_MS

/** Key and certificate in PEM, as `node:tls` takes them. */
export interface Credentials {
  key: string
  cert: string
}

export interface SiteIdentity {
  readonly siteId: SiteId
  /** PEM: signs the certificates of devices. */
  readonly deviceAuthority: string
  /** PEM: signs the server certificates of gateways. */
  readonly gatewayAuthority: string
  /** PEM: signs the connector's certificate. */
  readonly linkAuthority: string
  /** PEM: signs the certificate of the admin listener. */
  readonly adminAuthority: string
  issueDeviceCertificate(request: CertificateRequest, deviceId: DeviceId): Promise<IssuedCertificate>
  /**
   * @param gateway.csr PKCS#10 in PEM; @param gateway.hosts names or addresses, without ports
   * @returns `BAD_REQUEST` when the request cannot be used
   */
  issueGatewayCertificate(gateway: {
    csr: string
    gatewayId: GatewayId
    hosts: readonly string[]
  }): Promise<Result<IssuedCertificate>>
  /** A fresh key with a client certificate for the link. */
  connectorCredentials(): Promise<Credentials>
  /** A fresh key with a server certificate for the admin listener. */
  adminCredentials(hosts: readonly string[]): Promise<Credentials>
}

const authorities = {
  device: { name: 'Sluice device authority', purpose: 'clientAuth' },
  gateway: { name: 'Sluice gateway authority', purpose: 'serverAuth' },
  link: { name: 'Sluice link authority', purpose: 'clientAuth' },
  admin: { name: 'Sluice admin authority', purpose: 'serverAuth' },
} as const satisfies Record<string, { name: string; purpose: Purpose }>

/**
 * Opens the site's identity; the first start makes it.
 * @param folder for the authorities' files
 * @throws ProblemError `KEYS_MISSING` when an authority that was in use is gone
 */
export async function openSiteIdentity(options: {
  db: Kysely<Database>
  folder: string
  clock: Clock
  log: Log
}): Promise<SiteIdentity> {
  const { db, folder, clock, log } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const row = await db.selectFrom('site').select('id').executeTakeFirst()

  const open = async (kind: keyof typeof authorities): Promise<Authority> => {
    const { name, purpose } = authorities[kind]
    const path = join(folder, `${kind}-authority.pem`)
    const found = await openAuthority(path, purpose, clock.now)
    if (found !== undefined) return found
    if (row !== undefined) fail('KEYS_MISSING', `${path} is gone.`) // 2.
    await createAuthority(path, name, purpose, clock.now())
    log.info('made an authority', { kind, path })
    const made = await openAuthority(path, purpose, clock.now)
    if (made === undefined) throw new Error(`${path} vanished`)
    return made
  }
  const device = await open('device')
  const gateway = await open('gateway')
  const link = await open('link')
  const admin = await open('admin')

  const siteId = row?.id ?? newId('site', SiteId)
  if (row === undefined) await db.insertInto('site').values({ id: siteId, created_at: clock.now() }).execute()

  return {
    siteId,
    deviceAuthority: device.certificate,
    gatewayAuthority: gateway.certificate,
    linkAuthority: link.certificate,
    adminAuthority: admin.certificate,
    issueDeviceCertificate: (request, deviceId) =>
      device.issue({
        commonName: deviceId,
        names: [{ type: 'url', value: deviceUri(siteId, deviceId) }],
        publicKey: request.publicKey,
        lifeMs: DEVICE_CERTIFICATE_MS,
      }),
    async issueGatewayCertificate({ csr, gatewayId, hosts }) {
      const request = await readCertificateRequest(csr)
      if (!request.ok) return request
      return ok(
        await gateway.issue({
          commonName: gatewayId,
          names: [{ type: 'url', value: gatewayUri(siteId, gatewayId) }, ...hostNames(hosts)],
          publicKey: request.value.publicKey,
          lifeMs: GATEWAY_CERTIFICATE_MS,
        }),
      )
    },
    connectorCredentials: () => withOwnKey(link, 'connector', [{ type: 'url', value: connectorUri(siteId) }]),
    adminCredentials: (hosts) => withOwnKey(admin, 'admin', hostNames(hosts)),
  }
}

async function withOwnKey(authority: Authority, commonName: string, names: JsonGeneralNames): Promise<Credentials> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const { pem } = await authority.issue({ commonName, names, publicKey: keys.publicKey, lifeMs: OWN_CERTIFICATE_MS })
  const key = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { key: PemConverter.encode(key, 'PRIVATE KEY'), cert: pem }
}

/** Without doubles; `[::1]` as URLs write it is `::1`. */
function hostNames(hosts: readonly string[]): JsonGeneralNames {
  const bare = hosts.map((host) => host.replace(/^\[(.*)\]$/, '$1').toLowerCase())
  return [...new Set(bare)].map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }))
}
