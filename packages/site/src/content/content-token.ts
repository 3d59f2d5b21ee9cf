/**
 * The route `contentToken`: what a device may fetch, for 24 hours, and the keys to read it.
 *
 *   T1. A content is granted only when a live deployment of the device, or the run it is in, covers
 *       it: asked of policy at this moment.
 *   T2. Content stops at once when a setting forbids it, also for runs that go on (design §7).
 *   T3. The token is bound to the certificate that asked (RFC 8705 §3.1), the package key is sealed
 *       to the device's own key; neither is of use to a gateway.
 *   T4. Before anything is granted it is written down for whom and how long, so that nothing of it
 *       is removed meanwhile.
 */

import type { SmallPages } from '@sluice/content'
import {
  type ClientSettings,
  type ContentGrant,
  type ContentId,
  type ContentTokenAnswer,
  type ContentTokenClaims,
  type DeviceId,
  type NetworkLocation,
  type Problem,
  problem,
  type SiteId,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { type Clock, timestamp } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { DeviceHandler } from '../device-plane/handler.ts'
import type { RequireDevice } from '../devices/admission.ts'
import { newToken } from '../identity/new-id.ts'
import type { SigningKey } from '../keys/keyring.ts'
import { sealToDevice } from '../secrets/seal-to-device.ts'
import type { CloudPoint } from './cloud-points.ts'
import { type ContentGateway, type Reach, sourcesInReach, sourcesOf } from './content-sources.ts'
import type { Distributions } from './distributions.ts'
import { runContents } from './needed.ts'
import type { Packages } from './packages.ts'

export const TOKEN_LIFE_MS = 24 * 3600_000

export interface ContentTokenOptions {
  siteId: SiteId
  clock: Clock
  /** Signs content tokens; gateways have its public half. */
  key: SigningKey
  db: Kysely<Database>
  packages: Pick<Packages, 'grants'>
  distributions: Pick<Distributions, 'holders'>
  requireDevice: RequireDevice
  gateways(): Promise<readonly ContentGateway[]>
  cloudPoints(): Promise<readonly CloudPoint[]>
  clientSettings(): Promise<ClientSettings>
  /** Sealed layout roots that may come with grants. */
  layoutRoots: SmallPages
  /** What policy lets the device fetch now. */
  entitledContents(deviceId: DeviceId, location: NetworkLocation): Promise<ReadonlySet<ContentId>>
}

export function createContentTokenHandler(options: ContentTokenOptions): DeviceHandler<'contentToken'> {
  const { siteId, db, clock, key, packages, distributions, layoutRoots, requireDevice } = options

  return async ({ caller, gateway, body }) => {
    const device = await requireDevice(caller)
    const wanted = [...new Set(body.contents)]
    const expiresAtMs = Math.floor(clock.now() / 1000) * 1000 + TOKEN_LIFE_MS
    const [settings, gateways, cloudPoints, entitled] = await Promise.all([
      options.clientSettings(),
      options.gateways(),
      options.cloudPoints(),
      options.entitledContents(device.id, gateway.kind),
    ])
    const covered = wanted.filter((id) => entitled.has(id))
    await keepLeases(db, covered, device.id, expiresAtMs) // T4
    const running = await runContents(db, device.id, clock.now())
    const [rows, holders] = await Promise.all([packages.grants(covered), distributions.holders(covered, running)])
    const reach = sourcesInReach({ location: gateway.kind, asking: gateway.gatewayId, settings, gateways, cloudPoints })
    const refusal = settingsRefusal(settings, reach, gateway.kind)
    const roots = await layoutRoots.of([...rows.values()].map(({ layout }) => layout))
    const grants: ContentGrant[] = []
    const refused: ContentTokenAnswer['refused'] = []
    for (const contentId of wanted) {
      const refuse = (reason: Problem) => refused.push({ contentId, problem: reason })
      const row = rows.get(contentId)
      if (row === undefined) {
        refuse(problem('CONTENT_TOKEN_REFUSED', 'No deployment of this device covers it now.')) // T1
        continue
      }
      if (refusal !== undefined) {
        refuse(refusal) // T2
        continue
      }
      const { sources, points, passedOver } = sourcesOf(reach, holders.get(contentId) ?? [])
      if (sources.length + points.length === 0) {
        const where = `${row.packageId} is whole at no distribution point that the device may use.`
        refuse(problem('CONTENT_NOT_DISTRIBUTED', where))
        continue
      }
      const root = roots.get(row.layout.hash)
      grants.push({
        contentId,
        packageId: row.packageId,
        sealedKey: await sealToDevice(row.packageKey, device.sealKey),
        layout: row.layout,
        ...(root === undefined ? {} : { layoutRoot: Buffer.from(root).toString('base64') }),
        storedBytes: row.storedBytes,
        sources,
        points,
        passedOver,
      })
    }
    const expiresAt = expiresAtMs / 1000
    const issuedAt = expiresAt - TOKEN_LIFE_MS / 1000
    const contents = grants.map((grant) => grant.contentId)
    const answer: ContentTokenAnswer = {
      // A token for nothing would be none.
      token:
        contents.length === 0
          ? ''
          : signToken(key, {
              iss: siteId,
              sub: device.id,
              aud: 'sluice-content',
              iat: issuedAt,
              exp: expiresAt,
              jti: newToken(),
              cnf: { 'x5t#S256': Buffer.from(device.certificate, 'hex').toString('base64url') },
              contents,
            }),
      expiresAt: timestamp(expiresAt * 1000),
      grants,
      refused,
    }
    return { kind: 'json', body: answer }
  }
}

/** The setting that stands against any content for this device; the first to mend first. */
function settingsRefusal(
  { cloudServices }: ClientSettings,
  { gateways, points }: Reach,
  location: NetworkLocation,
): Problem | undefined {
  if (gateways.length + points.length > 0) return undefined
  if (location === 'internet' && !cloudServices.enableGateway)
    return problem(
      'GATEWAY_USE_DISABLED',
      'Client settings, Cloud Services: Enable clients to use a cloud management gateway = No.',
    )
  if (location === 'internet' && !cloudServices.allowCloudDistributionPoint)
    return problem(
      'CLOUD_CONTENT_DISABLED',
      'Client settings, Cloud Services: Allow access to cloud distribution point = No.',
    )
  return problem(
    'GATEWAY_CONTENT_DISABLED',
    'No gateway in reach serves content, and there is no cloud distribution point.',
  )
}

/** JWS in compact form (RFC 7515 §3.1). Made here because the key only gives signatures away. */
function signToken(key: SigningKey, claims: ContentTokenClaims): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'EdDSA', typ: 'content+jwt', kid: key.keyid })}.${part(claims)}`
  return `${signed}.${Buffer.from(key.sign(Buffer.from(signed))).toString('base64url')}`
}

/** T4. A lease is only ever made longer. */
async function keepLeases(
  db: Kysely<Database>,
  contents: readonly ContentId[],
  deviceId: DeviceId,
  until: number,
): Promise<void> {
  if (contents.length === 0) return
  await db
    .insertInto('content_leases')
    .values(contents.map((content_id) => ({ content_id, device_id: deviceId, until })))
    .onConflict((conflict) => conflict.columns(['content_id', 'device_id']).doUpdateSet({ until }))
    .execute()
}
