/**
 * Policy: what each device shall do now, signed (design §5).
 *
 * Owns: the body of each device, its number, the head of each answer, and what content a device is
 * entitled to. Does not own: the facts that a body is made of.
 *
 *   P1. A body is signed when it changes, and its number rises then: in an epoch, a number never
 *       means two bodies. It is built when something changed of which bodies are made, not at each
 *       poll (`facts-revision.ts`).
 *   P2. Every poll is answered with a head of its own, with the device's nonce and the site's time.
 *   P3. A refused deployment travels, so that Software Center can say why; it entitles to nothing.
 *   P4. Policy carries no secret and no command: it names what the catalogue lists.
 */
import {
  type ContentId,
  type DeploymentId,
  type DeviceId,
  deploymentTiming,
  type Envelope,
  type NetworkLocation,
  POLICY_BODY_TYPE,
  POLICY_HEAD_TYPE,
  type PolicyAnswer,
  type PolicyDeployment,
  type PolicyHead,
  type Sha256,
  writeSignedJson,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { sha256 } from '../catalogue/metadata.ts'
import { type Clock, timestamp } from '../clock.ts'
import { runContents } from '../content/needed.ts'
import type { Database, Db } from '../db/database.ts'
import type { SiteFacts } from '../deployments/circumstances.ts'
import type { DeviceHandler } from '../device-plane/handler.ts'
import { admitDevice, certificateOf } from '../devices/admission.ts'
import type { Devices } from '../devices/devices.ts'
import type { SigningKey } from '../keys/keyring.ts'
import { createBodies } from './body.ts'
import { signEnvelope } from './envelope.ts'
import { raisePolicyEpoch } from './epoch.ts'
import { createBodyKeeper, envelopeOf, sentBody } from './sent-body.ts'
import type { FactsState } from './shared-part.ts'
import { createStandings, factsState, type Standing } from './standing.ts'

/** Life of a head. */
export const POLICY_LIFE_MS = 24 * 3600_000

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
  devices: Pick<Devices, 'saw'>
}): Policy {
  const { db, clock, key, facts, devices } = options

  const standingOf = createStandings(db)
  const build = createBodies(db, facts)
  const keepBody = createBodyKeeper(db)

  /**
   * P1. @returns the body that the device shall have, and its number in the epoch of now
   * @param first as it was just read
   */
  async function presentBody(first: Standing, certificate: Sha256, location: NetworkLocation): Promise<PresentBody> {
    const deviceId = first.id
    for (let state: Standing | undefined = first; ; state = await standingOf(certificate)) {
      if (state === undefined) throw new Error(`${deviceId} is gone`)
      const revision = state.facts_revision_now ?? 0
      const epoch = state.epoch ?? 1
      const keyId = key().keyid
      const { seq, body_hash } = state
      if (
        seq !== null &&
        body_hash !== null &&
        state.facts_revision === revision &&
        state.location === location &&
        state.key_id === keyId
      )
        return { epoch, seq, bodyHash: body_hash }
      const made = await makeBody(deviceId, location, { epoch, revision })
      if (made !== undefined) return { epoch, ...made }
      // Another poll of the same device was faster: look again.
    }
  }

  /** Also the body itself, unless it is the known one. */
  async function presentPolicy(
    standing: Standing,
    certificate: Sha256,
    location: NetworkLocation,
    known: Sha256 | undefined,
  ) {
    for (let state = standing; ; state = (await standingOf(certificate)) ?? state) {
      const present = await presentBody(state, certificate, location)
      if (present.bodyHash === known) return { ...present, body: undefined }
      if (present.envelope !== undefined) return { ...present, body: present.envelope }
      const sent = await envelopeOf(db, state.id)
      if (sent?.bodyHash === present.bodyHash) return { ...present, body: sent.envelope }
      // Another one has just taken its place.
    }
  }

  /** Builds the body (R3 of `facts-revision.ts`) and keeps it; undefined when somebody has kept one from newer facts. */
  async function makeBody(deviceId: DeviceId, location: NetworkLocation, at: FactsState) {
    const bytes = writeSignedJson(await build(deviceId, location, at))
    const bodyHash = sha256(bytes)
    const signing = key()
    const envelope = signEnvelope(signing, POLICY_BODY_TYPE, bytes)
    const seq = await keepBody({
      deviceId,
      bodyHash,
      // Also when it is the same body: the key may be another one.
      envelope: JSON.stringify(envelope),
      factsRevision: at.revision,
      location,
      keyId: signing.keyid,
      now: clock.now(),
    })
    return seq === undefined ? undefined : { seq, bodyHash, envelope }
  }

  return {
    async handler({ caller, gateway, body: request }) {
      const certificate = certificateOf(caller)
      const standing = await standingOf(certificate)
      const device = admitDevice(caller, standing, clock.now())
      if (standing === undefined) throw new Error('a device that is not there was admitted')
      const { facts: deviceFacts, agent, life } = request
      const seen = { gatewayId: gateway.gatewayId, facts: deviceFacts, agent, life }
      await devices.saw(device.id, seen, device.remembered)
      const { epoch, seq, bodyHash, body } = await presentPolicy(
        standing,
        certificate,
        gateway.kind,
        request.knownBodyHash,
      )
      const now = clock.now()
      const head: PolicyHead = {
        v: 1,
        minReader: 1,
        crit: [],
        deviceId: device.id,
        epoch,
        seq,
        bodyHash,
        now: timestamp(now),
        nonce: request.nonce, // P2
        expiresAt: timestamp(now + POLICY_LIFE_MS),
      }
      const answer: PolicyAnswer = {
        head: signEnvelope(key(), POLICY_HEAD_TYPE, writeSignedJson(head)),
        ...(body === undefined ? {} : { body }),
      }
      return { kind: 'json', body: answer }
    },

    async entitledContents(deviceId, location) {
      const now = clock.now()
      const { deployments } = await build(deviceId, location, await factsState(db))
      const live = deployments.filter((deployment) => isLive(deployment, now)) // P3
      // The device may start by the policy it has, a version behind.
      const known = (await sentBody(db, deviceId))?.deployments.filter(({ id }) => live.some((one) => one.id === id))
      const entitled = new Set([...live, ...(known ?? [])].flatMap(contentIds))
      return entitled.union(await runContents(db, deviceId, now))
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

interface PresentBody {
  epoch: number
  seq: number
  bodyHash: Sha256
  /** Where it was just made. */
  envelope?: Envelope
}

const contentIds = (deployment: PolicyDeployment): ContentId[] => deployment.packages.map((one) => one.contentId)

/** P3. Nothing stands against it, and its time has come and not gone. */
const isLive = ({ refusals, settings }: PolicyDeployment, now: number): boolean =>
  refusals.length === 0 && deploymentTiming(settings, now) === undefined
