/**
 * What lives of a step, whatever the system: a session of Linux (`session.ts`), a job object of Windows
 * (`windows/`). A step is over when nothing of it lives.
 */
import { identify as identifyInProc, type ProcessIdentity, sessionMembers, signalMembers } from './session.ts'
import { endJob, jobLives } from './windows/step-program.ts'

const isWindows = process.platform === 'win32'

/** From the polite signal to the other one; Windows has no polite one for programs without a window. */
const KILL_GRACE_MS = 3_000
const LOOK_MS = 50

/** This process as the leader of a step; undefined where the system does not say, or it does not lead. */
export function identifyRunner(): ProcessIdentity | undefined {
  // The job that is named after it is its own: no other process has had both at the same time.
  if (isWindows) return { pid: process.pid, startTicks: Math.round(performance.timeOrigin) }
  const self = identifyInProc(process.pid)
  // A time-out ends every process of the session: it must be the runner's own.
  return self === undefined || self.session !== self.pid ? undefined : { pid: self.pid, startTicks: self.startTicks }
}

/** Whether anything but the runner itself lives. */
export const stepLives = (runner: ProcessIdentity): boolean =>
  isWindows ? jobLives(runner) : sessionMembers(runner).length > 0

/** Ends what lives, without waiting for it. */
export const endStepNow = (runner: ProcessIdentity): void =>
  isWindows ? endJob(runner) : signalMembers(runner, 'SIGKILL')

/** Ends every process of the step but the runner: politely, then not. */
export async function endStep(runner: ProcessIdentity): Promise<void> {
  if (!isWindows) signalMembers(runner, 'SIGTERM')
  const until = performance.now() + (isWindows ? 0 : KILL_GRACE_MS)
  while (stepLives(runner)) {
    if (performance.now() >= until) endStepNow(runner)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
