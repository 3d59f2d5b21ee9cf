/**
 * Imports as jobs: kept in the database, run one after another in the background, taken up again
 * after the process was killed.
 *
 *   J1. A running job has a lease, renewed while its process lives. One whose lease ran out is
 *       anybody's; whoever lost it can no longer finish it.
 *   J2. One import of a package at a time. The version is chosen under the lock of the package's
 *       row and kept with the job, so a second try makes the same version.
 */
import { fail, JobId, type JobInfo, type PackageId, type Problem, ProblemError, problem } from '@sluice/protocol'
import type { Kysely, Selectable, Transaction } from 'kysely'
import { changeConcerns } from '../administrators/audit/change.ts'
import type { Clock } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { ContentTables } from '../db/schema/content.ts'
import { isPostgres } from '../db/types.ts'
import { newId } from '../identity/new-id.ts'
import type { Log } from '../log.ts'
import { isDeleting, lockLibrary } from './condemned.ts'

const LEASE_MS = 60_000
const BEAT_MS = 500
/** How often a process looks for jobs that others left. */
const LOOK_MS = 10_000

export interface ImportJob {
  id: JobId
  packageId: PackageId
  folder: string
  /** Files that look as they did are read too. */
  readAll: boolean
  refuseLongPaths: boolean
  version: number
}

/** What a running import may do with its job. */
export interface JobHold {
  signal: AbortSignal
  progress(doneBytes: number, totalBytes: number): void
  /** Keeps a transaction from committing when the job is no longer ours (J1). */
  confirm(trx: Db): Promise<void>
}

export interface ImportQueue {
  /** Part of the caller's transaction; call `wake` after it. */
  add(trx: Db, packageId: PackageId, source: Pick<ImportJob, 'folder' | 'readAll' | 'refuseLongPaths'>): Promise<JobId>
  wake(): void
  /** `NOT_FOUND` */
  info(id: JobId): Promise<JobInfo>
  start(): Promise<void>
  /** Breaks off what runs; it goes on at the next start. */
  stop(): Promise<void>
}

type Row = Selectable<ContentTables['jobs']>

/** @param run imports; expected failures are thrown as `ProblemError` */
export function createImportQueue(options: {
  db: Kysely<Database>
  clock: Clock
  log: Log
  run(job: ImportJob, hold: JobHold): Promise<void>
}): ImportQueue {
  const { db, clock, log, run } = options
  const owner = newId('job', JobId)
  const stopped = new AbortController()
  let wake = () => {}
  let work: Promise<void> = Promise.resolve()

  /** Takes the oldest job that nobody holds. */
  async function claim(): Promise<ImportJob | undefined> {
    const now = clock.now()
    const waiting = await db
      .selectFrom('jobs')
      .select(['id', 'package_id'])
      .where((eb) =>
        eb.or([eb('state', '=', 'waiting'), eb.and([eb('state', '=', 'running'), eb('lease_until', '<', now)])]),
      )
      .orderBy('created_at')
      .orderBy('id')
      .limit(50)
      .execute()
    for (const { id, package_id } of waiting) {
      const taken = await db.transaction().execute((trx) => take(trx, id, package_id, now))
      if (taken !== undefined) return taken
    }
    return undefined
  }

  async function take(
    trx: Transaction<Database>,
    id: JobId,
    packageId: PackageId,
    now: number,
  ): Promise<ImportJob | undefined> {
    await lockLibrary(trx)
    if (await isDeleting(trx)) return undefined
    // Locks the package's row on both databases (J2).
    await trx
      .updateTable('packages')
      .set((eb) => ({ version: eb.ref('version') }))
      .where('id', '=', packageId)
      .execute()
    const busy = await trx
      .selectFrom('jobs')
      .select('id')
      .where('package_id', '=', packageId)
      .where('state', '=', 'running')
      .where('lease_until', '>=', now)
      .executeTakeFirst()
    if (busy !== undefined) return undefined
    const job = await trx
      .selectFrom('jobs')
      .select(['folder', 'read_all', 'refuse_long_paths', 'version', 'state'])
      .where('id', '=', id)
      .executeTakeFirst()
    if (job === undefined || (job.state !== 'waiting' && job.state !== 'running')) return undefined
    const newest = await trx
      .selectFrom('package_versions')
      .select((eb) => eb.fn.max('version').as('version'))
      .where('package_id', '=', packageId)
      .executeTakeFirst()
    const { last_deleted } = await trx
      .selectFrom('packages')
      .select('last_deleted')
      .where('id', '=', packageId)
      .executeTakeFirstOrThrow()
    const version = job.version ?? Math.max(Number(newest?.version ?? 0), last_deleted) + 1
    await trx
      .updateTable('jobs')
      .set({ state: 'running', version, lease_owner: owner, lease_until: now + LEASE_MS, changed_at: now })
      .where('id', '=', id)
      .execute()
    return {
      id,
      packageId,
      folder: job.folder,
      readAll: job.read_all === 1,
      refuseLongPaths: job.refuse_long_paths === 1,
      version,
    }
  }

  const held = (source: Db, id: JobId) =>
    source.updateTable('jobs').where('id', '=', id).where('state', '=', 'running').where('lease_owner', '=', owner)

  async function perform(job: ImportJob): Promise<void> {
    const lost = new AbortController()
    const signal = AbortSignal.any([stopped.signal, lost.signal])
    let progress = { done_bytes: 0, total_bytes: 0 }
    let written = progress
    let renewedAt = clock.now()
    let beat: Promise<void> = Promise.resolve()
    const timer = setInterval(() => {
      const now = clock.now()
      if (progress === written && now - renewedAt < LEASE_MS / 4) return
      const writing = progress
      beat = beat.then(async () => {
        const { numUpdatedRows } = await held(db, job.id)
          .set({ ...writing, lease_until: now + LEASE_MS, changed_at: now })
          .executeTakeFirst()
        if (numUpdatedRows === 0n) lost.abort(new Error('another process took the job over'))
        written = writing
        renewedAt = now
      })
      beat.catch((error: unknown) => log.warn('a job could not be renewed', { jobId: job.id, error }))
    }, BEAT_MS)
    let outcome: Problem | undefined
    try {
      await run(job, {
        signal,
        progress: (done_bytes, total_bytes) => {
          progress = { done_bytes, total_bytes }
        },
        async confirm(trx) {
          const { numUpdatedRows } = await held(trx, job.id).set({ changed_at: clock.now() }).executeTakeFirst()
          if (numUpdatedRows === 0n) throw new Error('another process took the job over')
        },
      })
    } catch (error) {
      if (signal.aborted) {
        await held(db, job.id).set({ state: 'waiting', lease_owner: null, lease_until: null }).execute()
        return log.info('import broken off', { jobId: job.id, packageId: job.packageId })
      }
      if (!(error instanceof ProblemError)) log.error('import failed', { jobId: job.id, error })
      outcome = error instanceof ProblemError ? error.problem : problem('INTERNAL', `Job ${job.id}.`)
    } finally {
      clearInterval(timer)
      await beat.catch(() => undefined)
    }
    const total = { done_bytes: progress.done_bytes, total_bytes: progress.total_bytes }
    await held(db, job.id)
      .set({
        ...(outcome === undefined ? { ...total, done_bytes: total.total_bytes } : total),
        state: outcome === undefined ? 'succeeded' : 'failed',
        problem: outcome === undefined ? null : JSON.stringify(outcome),
        lease_owner: null,
        lease_until: null,
        changed_at: clock.now(),
      })
      .execute()
    const fields = { jobId: job.id, packageId: job.packageId, version: job.version, totalBytes: total.total_bytes }
    if (outcome === undefined) log.info('imported', fields)
    else log.warn('import failed', { ...fields, code: outcome.code, reason: outcome.detail })
  }

  async function workOff(): Promise<void> {
    while (!stopped.signal.aborted) {
      let timer: NodeJS.Timeout | undefined
      const woken = new Promise<void>((resolve) => {
        wake = resolve
        timer = setTimeout(resolve, LOOK_MS)
      })
      try {
        const job = await claim()
        if (job === undefined) await woken
        else await perform(job)
      } catch (error) {
        log.error('the import queue failed', { error })
        await woken
      } finally {
        clearTimeout(timer)
      }
    }
  }

  return {
    async add(trx, packageId, { folder, readAll, refuseLongPaths }) {
      changeConcerns(packageId)
      const id = newId('job', JobId)
      const now = clock.now()
      await trx
        .insertInto('jobs')
        .values({
          id,
          kind: 'import',
          state: 'waiting',
          package_id: packageId,
          folder,
          read_all: readAll ? 1 : 0,
          refuse_long_paths: refuseLongPaths ? 1 : 0,
          version: null,
          done_bytes: 0,
          total_bytes: 0,
          problem: null,
          created_at: now,
          changed_at: now,
          lease_owner: null,
          lease_until: null,
        })
        .execute()
      return id
    },
    wake: () => wake(),
    async info(id) {
      const row = await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
      return row === undefined ? fail('NOT_FOUND', `There is no job ${id}.`) : wireForm(row)
    },
    async start() {
      // A data folder has one process: whoever held these is dead.
      if (!isPostgres(db)) await db.updateTable('jobs').set({ lease_until: 0 }).where('state', '=', 'running').execute()
      work = workOff()
    },
    async stop() {
      stopped.abort(new Error('the site ends'))
      wake()
      await work
    },
  }
}

const wireForm = (row: Row): JobInfo => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  subject: row.package_id,
  doneBytes: row.done_bytes,
  totalBytes: row.total_bytes,
  ...(row.problem === null ? {} : { problem: JSON.parse(row.problem) as Problem }),
})
