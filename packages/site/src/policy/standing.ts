/**
 * Everything that an answer to a poll needs of the database when nothing changed: whether the device is
 * answered at all, and which body it was sent last. Most polls need no more. Those of one moment are read
 * by one statement; none is answered from memory, so processes of a site agree by themselves.
 */
import type { Sha256 } from '@sluice/protocol'
import { lookUpAtOnce } from '../db/at-once.ts'
import type { Db } from '../db/database.ts'
import { deviceByCertificate } from '../devices/admission.ts'
import { EPOCH_COUNTER } from './epoch.ts'
import { FACTS_COUNTER } from './facts-revision.ts'
import type { FactsState } from './shared-part.ts'

export type Standing = Awaited<ReturnType<ReturnType<typeof standings>['executeTakeFirstOrThrow']>>

/** @returns what there is now, by the certificate that a device came with */
export function createStandings(db: Db): (certificate: Sha256) => Promise<Standing | undefined> {
  return lookUpAtOnce(async (certificates: readonly Sha256[]) => {
    const found = await standings(db).where('certificate.hash', 'in', certificates).execute()
    return new Map(found.map((row) => [row.hash, row]))
  })
}

const standings = (db: Db) =>
  deviceByCertificate(db)
    .leftJoin('counters as facts', (join) => join.on('facts.name', '=', FACTS_COUNTER))
    .leftJoin('counters as epoch', (join) => join.on('epoch.name', '=', EPOCH_COUNTER))
    .leftJoin('policy_bodies as sent', 'sent.device_id', 'device.id')
    .select(['certificate.hash', 'facts.value as facts_revision_now', 'epoch.value as epoch'])
    .select(['sent.seq', 'sent.body_hash', 'sent.facts_revision', 'sent.location', 'sent.key_id'])

/** The state of the facts now, for who needs nothing else. */
export async function factsState(db: Db): Promise<FactsState> {
  const rows = await db
    .selectFrom('counters')
    .select(['name', 'value'])
    .where('name', 'in', [FACTS_COUNTER, EPOCH_COUNTER])
    .execute()
  const value = (name: string) => rows.find((row) => row.name === name)?.value
  return { epoch: value(EPOCH_COUNTER) ?? 1, revision: value(FACTS_COUNTER) ?? 0 }
}
