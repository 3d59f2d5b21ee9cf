/**
 * Tells devices at once that their policy may be other than before. Only a hint: what is said here
 * carries nothing, may be lost, and is made good by the next poll.
 */
import type { CollectionId, DeviceId, PackageId, SequenceId } from '@sluice/protocol'
import type { Db } from '../db/database.ts'
import type { Log } from '../log.ts'

export interface Push {
  /** Of a deployment, or the members themselves. */
  collectionChanged(id: CollectionId, alsoThese?: readonly DeviceId[]): void
  /** An order for this device alone. */
  deviceChanged(id: DeviceId): void
  /** A package is whole at a distribution point: whoever was refused for want of it may run. */
  packageArrived(id: PackageId): void
  /** A new revision was released. */
  sequenceChanged(id: SequenceId): void
  /** Something that counts for every device: client settings, the list of gateways. */
  everythingChanged(): void
}

/** @param tell sends the hint to these devices, or to all */
export function createPush(options: { db: Db; tell: (devices?: readonly DeviceId[]) => void; log: Log }): Push {
  const { db, tell, log } = options

  /** The change is durable already; whoever made it does not wait for this, and hears nothing of its failure. */
  function tellAll(devices: () => Promise<readonly { device_id: DeviceId }[]>): void {
    devices().then(
      (rows) => tell([...new Set(rows.map((row) => row.device_id))]),
      (error: unknown) => log.error('devices were not told of a change', { error }),
    )
  }

  return {
    collectionChanged(id, alsoThese = []) {
      tellAll(async () => [
        ...(await db.selectFrom('collection_members').select('device_id').where('collection_id', '=', id).execute()),
        ...alsoThese.map((device_id) => ({ device_id })),
      ])
    },
    deviceChanged: (id) => tell([id]),
    packageArrived(id) {
      tellAll(() =>
        db
          .selectFrom('sequence_revisions as revision')
          .innerJoin('deployments', 'deployments.sequence_id', 'revision.sequence_id')
          .innerJoin('collection_members as members', 'members.collection_id', 'deployments.collection_id')
          .select('members.device_id')
          .where((eb) =>
            eb.or([
              // A JSON array of ids, which need no escaping.
              eb('revision.packages', 'like', `%"${id}"%`),
              eb('revision.candidates', 'is not', null),
            ]),
          )
          .distinct()
          .execute(),
      )
    },
    sequenceChanged(id) {
      tellAll(() =>
        db
          .selectFrom('deployments')
          .innerJoin('collection_members as members', 'members.collection_id', 'deployments.collection_id')
          .select('members.device_id')
          .where('deployments.sequence_id', '=', id)
          .execute(),
      )
    },
    everythingChanged: () => tell(),
  }
}
