/**
 * Deletes an object at a cloud distribution point, for whoever holds the lease of the work there.
 *
 *   W5. A process that was away longer than its lease may find the object stored again by another. So the lease
 *       is confirmed right before, and the request is given up before the lease can have become another's.
 *       What is left: a storage that carries out a request long after it was given up.
 */
import type { CloudStore } from '@sluice/content/stores'
import { ProblemError, problem, type StoredObject } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { LEASE_MS, type Lease } from '../db/lease.ts'

/** Confirming and deleting together, in milliseconds. */
const DELETE_MS = LEASE_MS / 3

/** @throws ProblemError; an error when the lease is another's; the reason of the signal */
export async function deleteConfirmed(
  at: { db: Kysely<Database>; cloud: Pick<CloudStore, 'delete'>; lease: Lease; signal: AbortSignal },
  { kind, hash }: Pick<StoredObject, 'kind' | 'hash'>,
): Promise<void> {
  const { db, cloud, lease, signal } = at
  const late = AbortSignal.timeout(DELETE_MS)
  const until = performance.now() + DELETE_MS
  await db.transaction().execute((trx) => lease.confirm(trx))
  try {
    // The timer of a process that was away may not have run yet.
    if (performance.now() >= until) throw new Error('the process was away')
    await cloud.delete({ kind, hash }, AbortSignal.any([signal, late]))
  } catch (error) {
    signal.throwIfAborted()
    if (!late.aborted && performance.now() < until) throw error
    throw new ProblemError(problem('STORAGE_UNAVAILABLE', `Deleting the ${kind} ${hash} took too long.`), {
      cause: error,
    })
  }
}
