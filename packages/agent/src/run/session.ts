/**
 * What still lives of a runner's session, from `/proc`. A runner leads a session of its own, so every
 * process of its step is in it, also after the runner is dead and whatever process groups a shell
 * made. A process that left the session on purpose is a service that the step started: it is left
 * alone.
 */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessIdentity {
  pid: number
  /** Clock ticks between boot and start of the process: tells it from a later one with the same id. */
  startTicks: number
}

interface ProcessFacts extends ProcessIdentity {
  session: number
  dead: boolean
}

/** Identity of a living process; undefined when there is none. */
export function identify(pid: number): (ProcessIdentity & { session: number }) | undefined {
  const facts = processFacts(pid)
  return facts === undefined || facts.dead ? undefined : facts
}

/** Processes of the session that `leader` leads or led, without the leader itself. */
export function sessionMembers(leader: ProcessIdentity): number[] {
  const now = processFacts(leader.pid)
  // Session ids are used again only when a session is empty: then all of it belongs to a stranger.
  if (now !== undefined && now.startTicks !== leader.startTicks) return []
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map((name) => processFacts(Number(name)))
    .filter((facts) => facts !== undefined)
    .filter((facts) => facts.session === leader.pid && facts.pid !== leader.pid && !facts.dead)
    .filter((facts) => facts.startTicks >= leader.startTicks)
    .map((facts) => facts.pid)
}

/** Sends a signal to every member; those that ended meanwhile are no error. */
export function signalMembers(leader: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void {
  for (const pid of sessionMembers(leader)) {
    try {
      process.kill(pid, signal)
    } catch {
      // It ended between the look and the signal.
    }
  }
}

/** proc(5), /proc/pid/stat: the name in brackets may hold anything, so fields count from the last bracket. */
function processFacts(pid: number): ProcessFacts | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    pid,
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
    dead: fields[0] === 'Z' || fields[0] === 'X',
  }
}
