/** The body that each device was sent last: kept before it is sent, and read again. */
import {
  type DeviceId,
  Envelope,
  type NetworkLocation,
  PolicyBody,
  readSignedJson,
  type Sha256,
} from '@sluice/protocol'
import { lookUpAtOnce } from '../db/at-once.ts'
import type { Db } from '../db/database.ts'

export interface MadeBody {
  deviceId: DeviceId
  bodyHash: Sha256
  /** JSON of the `Envelope`. */
  envelope: string
  factsRevision: number
  location: NetworkLocation
  keyId: string
  /** Milliseconds since 1970. */
  now: number
}

/**
 * Keeps bodies, those of a moment with one statement: a transaction for each would be most of what a body costs.
 * @returns what keeps one and gives its number, which rises when the body is another; undefined when one from
 * newer facts is there
 */
export function createBodyKeeper(db: Db): (made: MadeBody) => Promise<number | undefined> {
  return lookUpAtOnce(async (all: readonly MadeBody[]) => {
    const numbers = new Map<MadeBody, number>()
    // A statement may change a row only once: of one device they are kept one after the other.
    for (let rest = [...all]; rest.length > 0; ) {
      const round = new Map(rest.map((one) => [one.deviceId, one]))
      const kept = new Map((await keep(db, [...round.values()])).map(({ device_id, seq }) => [device_id, seq]))
      for (const one of round.values()) {
        const seq = kept.get(one.deviceId)
        if (seq !== undefined) numbers.set(one, seq)
      }
      rest = rest.filter((one) => round.get(one.deviceId) !== one)
    }
    return numbers
  })
}

function keep(db: Db, made: readonly MadeBody[]) {
  // In one order, so that processes that keep the same ones do not wait for each other in a circle.
  const rows = made
    .toSorted((a, b) => (a.deviceId < b.deviceId ? -1 : 1))
    .map(({ deviceId, bodyHash, envelope, factsRevision, location, keyId, now }) => ({
      ...{ device_id: deviceId, seq: 1, signed_at: now, body_hash: bodyHash, envelope },
      ...{ facts_revision: factsRevision, location, key_id: keyId },
    }))
  return db
    .insertInto('policy_bodies')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .column('device_id')
        .doUpdateSet((eb) => {
          const same = eb('policy_bodies.body_hash', '=', eb.ref('excluded.body_hash'))
          const mine = eb.ref('policy_bodies.seq')
          const signedAt = eb.case().when(same).then(eb.ref('policy_bodies.signed_at'))
          return {
            body_hash: eb.ref('excluded.body_hash'),
            envelope: eb.ref('excluded.envelope'),
            facts_revision: eb.ref('excluded.facts_revision'),
            location: eb.ref('excluded.location'),
            key_id: eb.ref('excluded.key_id'),
            seq: eb
              .case()
              .when(same)
              .then(mine)
              .else(eb('policy_bodies.seq', '+', 1))
              .end(),
            signed_at: signedAt.else(eb.ref('excluded.signed_at')).end(),
          }
        })
        .where((eb) =>
          eb.or([
            eb('policy_bodies.facts_revision', 'is', null),
            eb('policy_bodies.facts_revision', '<=', eb.ref('excluded.facts_revision')),
          ]),
        ),
    )
    .returning(['device_id', 'seq'])
    .execute()
}

export async function envelopeOf(
  db: Db,
  deviceId: DeviceId,
): Promise<{ bodyHash: Sha256; envelope: Envelope } | undefined> {
  const row = await db
    .selectFrom('policy_bodies')
    .select(['body_hash', 'envelope'])
    .where('device_id', '=', deviceId)
    .executeTakeFirst()
  return row && { bodyHash: row.body_hash, envelope: Envelope.parse(JSON.parse(row.envelope)) }
}

export async function sentBody(db: Db, deviceId: DeviceId): Promise<PolicyBody | undefined> {
  const sent = await envelopeOf(db, deviceId)
  if (sent === undefined) return undefined
  const { payload } = sent.envelope
  const json = readSignedJson(Buffer.from(payload, 'base64'))
  if (!json.ok) throw new Error(`the stored policy of ${deviceId} cannot be read: ${json.fault}`)
  return PolicyBody.parse(json.value)
}
