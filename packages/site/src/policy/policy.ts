/**
 * Policy: what each device shall do now, signed (design §5).
 *
 * Owns: the body of each device, its number, the head of each answer, and what content a device is
 * entitled to. Does not own: the facts that a body is made of.
 *
 *   P1. A body is signed when it changes, and its number rises then: in an epoch, a number never
 *       means two bodies.
 *   P2. Every poll is answered with a head of its own, with the device's nonce and the site's time.
 *   P3. A refused deployment travels, so that Software Center can say why; it entitles to nothing.
 *   P4. Policy carries no secret and no command: it names what the catalogue lists.
 */
import {
  ContentId,
  type DeploymentId,
  type DeviceId,
  deploymentTiming,
  Envelope,
  type NetworkLocation,
  POLICY_BODY_TYPE,
  POLICY_HEAD_TYPE,
  type PolicyAnswer,
  PolicyBody,
  type PolicyDeployment,
  type PolicyHead,
  readSignedJson,
  type Sha256,
  writeSignedJson,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { sha256 } from '../catalogue/metadata.ts'
import { type Clock, timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { SiteFacts } from '../deployments/circumstances.ts'
import type { DeviceHandler } from '../device-plane/handler.ts'
import type { RequireDevice } from '../devices/admission.ts'
import type { Devices } from '../devices/devices.ts'
import type { SigningKey } from '../keys/keyring.ts'
import { policyBody } from './body.ts'
import { signEnvelope } from './envelope.ts'
import { policyEpoch, raisePolicyEpoch } from './epoch.ts'

/** Life of a head. */
export const POLICY_LIFE_MS = 24 * 3600_000
/** How long a started run may fetch what its policy named, when the policy no longer does. */
export const RUN_CONTENTS_MS = 7 * 24 * 3600_000

export interface Policy {
  /** The route `policy`. */
  handler: DeviceHandler<'policy'>
  /** Contents that the device may fetch now: of its live deployments, and of the run it is in. */
  entitledContents(deviceId: DeviceId, location: NetworkLocation): Promise<ReadonlySet<ContentId>>
  /** For `createDeployments`: what the body that the device was sent last names for a deployment. */
  contentsOf(db: Db, deviceId: DeviceId, deployment: DeploymentId): Promise<ContentId[]>
  /** After the database was restored from a backup. */
  restored(): Promise<void>
}

export function createPolicy(options: {
  db: Kysely<Database>
  clock: Clock
  /** Signs policy; another one after a rotation. */
  key: () => SigningKey
  facts: SiteFacts
  requireDevice: RequireDevice
  devices: Pick<Devices, 'saw'>
}): Policy {
  const { db, clock, key, facts, requireDevice, devices } = options

  /** P1 */
  async function signedBody(deviceId: DeviceId, location: NetworkLocation): Promise<SignedBody> {
    const bytes = writeSignedJson(await policyBody(db, facts, deviceId, location))
    const bodyHash = sha256(bytes)
    for (;;) {
      const sent = await lastBody(db, deviceId)
      if (sent?.bodyHash === bodyHash) {
        if (keyOf(sent) === key().keyid) return sent
        // The key was rotated: the same body under the same number, signed by the new one.
        const envelope = JSON.stringify(signEnvelope(key(), POLICY_BODY_TYPE, bytes))
        await db
          .updateTable('policy_bodies')
          .set({ envelope })
          .where('device_id', '=', deviceId)
          .where('body_hash', '=', bodyHash)
          .execute()
        return { ...sent, envelope }
      }
      const envelope = JSON.stringify(signEnvelope(key(), POLICY_BODY_TYPE, bytes))
      const next = { body_hash: bodyHash, envelope, signed_at: clock.now() }
      const row = await db
        .insertInto('policy_bodies')
        .values({ device_id: deviceId, seq: 1, ...next })
        .onConflict((conflict) =>
          conflict
            .column('device_id')
            .doUpdateSet((eb) => ({ ...next, seq: eb('policy_bodies.seq', '+', 1) }))
            .where('policy_bodies.body_hash', '!=', bodyHash),
        )
        .returning('seq')
        .executeTakeFirst()
      if (row !== undefined) return { seq: row.seq, bodyHash, envelope }
      // Another poll of the same device was faster with the same body: look again.
    }
  }

  return {
    async handler({ caller, gateway, body: request }) {
      const device = await requireDevice(caller)
      const { facts: deviceFacts, agent } = request
      await devices.saw(device.id, { gatewayId: gateway.gatewayId, facts: deviceFacts, agent })
      const { seq, bodyHash, envelope } = await signedBody(device.id, gateway.kind)
      const now = clock.now()
      const head: PolicyHead = {
        v: 1,
        minReader: 1,
        crit: [],
        deviceId: device.id,
        epoch: await policyEpoch(db),
        seq,
        bodyHash,
        now: timestamp(now),
        nonce: request.nonce, // P2
        expiresAt: timestamp(now + POLICY_LIFE_MS),
      }
      const answer: PolicyAnswer = {
        head: signEnvelope(key(), POLICY_HEAD_TYPE, writeSignedJson(head)),
        ...(request.knownBodyHash === bodyHash ? {} : { body: Envelope.parse(JSON.parse(envelope)) }),
      }
      return { kind: 'json', body: answer }
    },

    async entitledContents(deviceId, location) {
      const now = clock.now()
      const { deployments } = await policyBody(db, facts, deviceId, location)
      const live = deployments.filter((deployment) => isLive(deployment, now)) // P3
      // The device may start by the policy it has, a version behind.
      const known = (await sentBody(db, deviceId))?.deployments.filter(({ id }) => live.some((one) => one.id === id))
      const entitled = new Set([...live, ...(known ?? [])].flatMap(contentIds))
      const running = await db
        .selectFrom('deployment_devices')
        .select('run_contents')
        .where('device_id', '=', deviceId)
        .where('state', '=', 'running')
        .where('run_started_at', '>', now - RUN_CONTENTS_MS)
        .execute()
      for (const { run_contents } of running)
        for (const id of z.array(ContentId).parse(JSON.parse(run_contents ?? '[]'))) entitled.add(id)
      return entitled
    },

    async contentsOf(source, deviceId, deployment) {
      const named = (await sentBody(source, deviceId))?.deployments.find((one) => one.id === deployment)
      return named === undefined || named.refusals.length > 0 ? [] : contentIds(named)
    },

    async restored() {
      await raisePolicyEpoch(db, clock.now())
    },
  }
}

interface SignedBody {
  seq: number
  bodyHash: Sha256
  /** `Envelope` as JSON. */
  envelope: string
}

const keyOf = (body: SignedBody) => Envelope.parse(JSON.parse(body.envelope)).signatures[0]?.keyid

async function lastBody(db: Db, deviceId: DeviceId): Promise<SignedBody | undefined> {
  const row = await db
    .selectFrom('policy_bodies')
    .select(['seq', 'body_hash', 'envelope'])
    .where('device_id', '=', deviceId)
    .executeTakeFirst()
  return row && { seq: row.seq, bodyHash: row.body_hash, envelope: row.envelope }
}

async function sentBody(db: Db, deviceId: DeviceId): Promise<PolicyBody | undefined> {
  const sent = await lastBody(db, deviceId)
  if (sent === undefined) return undefined
  const { payload } = Envelope.parse(JSON.parse(sent.envelope))
  const json = readSignedJson(Buffer.from(payload, 'base64'))
  if (!json.ok) throw new Error(`the stored policy of ${deviceId} cannot be read: ${json.fault}`)
  return PolicyBody.parse(json.value)
}

const contentIds = (deployment: PolicyDeployment): ContentId[] => deployment.packages.map((one) => one.contentId)

/** P3. Nothing stands against it, and its time has come and not gone. */
const isLive = ({ refusals, settings }: PolicyDeployment, now: number): boolean =>
  refusals.length === 0 && deploymentTiming(settings, now) === undefined
