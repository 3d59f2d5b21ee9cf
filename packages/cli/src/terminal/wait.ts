/** Waiting for long work at the site. */
import { setTimeout as delay } from 'node:timers/promises'
import { type DistributionPointId, type JobId, type PackageInfo, ProblemError, readProblem } from '@sluice/protocol'
import type { Session } from '../run.ts'
import { showProgress } from './progress.ts'

const POLL_MS = 300

/** Until the job has ended. Throws the problem of one that failed. */
export async function waitForJob(session: Session, id: JobId, what: string): Promise<void> {
  const site = await session.site()
  const progress = showProgress(session.out, what)
  try {
    for (;;) {
      const job = await site.call('job', { id })
      progress.show(job.doneBytes, job.totalBytes)
      if (job.state === 'succeeded') return
      if (job.state === 'failed') throw new ProblemError(readProblem(job.problem, 500))
      await delay(POLL_MS, undefined, { signal: session.signal })
    }
  } finally {
    progress.end()
    noteWaiting(session)
  }
}

/** Ctrl-C ends the waiting only. */
function noteWaiting({ out, signal }: Session): void {
  if (signal.aborted) out.note('The site goes on with it; `sluice package show` says how far it is.')
}

/** Until the newest version of every package is at every point. Throws the problem of one that failed. */
export async function waitForDistribution(
  session: Session,
  packages: readonly PackageInfo[],
  points: readonly DistributionPointId[],
  what = 'Distributing',
): Promise<PackageInfo[]> {
  const site = await session.site()
  const ids = new Set(packages.map(({ id }) => id))
  const progress = showProgress(session.out, what)
  try {
    for (;;) {
      const now = (await site.call('packages')).filter(({ id }) => ids.has(id))
      const states = now.flatMap((one) => one.distribution.filter(({ pointId }) => points.includes(pointId)))
      const failed = states.find(({ state }) => state === 'failed')
      if (failed !== undefined) throw new ProblemError(readProblem(failed.problem, 500))
      progress.show(
        states.reduce((sum, { presentBytes }) => sum + presentBytes, 0),
        states.reduce((sum, { totalBytes }) => sum + totalBytes, 0),
      )
      const there = (one: PackageInfo): boolean =>
        points.every((point) =>
          one.distribution.some(
            ({ pointId, state, version }) => pointId === point && state === 'installed' && version === one.version,
          ),
        )
      if (now.length === ids.size && now.every(there)) return now
      await delay(POLL_MS, undefined, { signal: session.signal })
    }
  } finally {
    progress.end()
    noteWaiting(session)
  }
}
