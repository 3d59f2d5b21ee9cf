#!/usr/bin/env node
/**
 * The runner of one attempt: `sluice-runner.ts <attempt file> <boot id>`. Started by the agent as the
 * leader of its own session, so that it outlives the agent; it talks to nobody, its outcome is a row
 * in the file.
 */
import { claimAttempt } from '../src/run/attempt.ts'
import { perform } from '../src/run/perform.ts'
import { identify } from '../src/run/session.ts'

const [path, bootId] = process.argv.slice(2)
const self = identify(process.pid)
if (path === undefined || bootId === undefined || self === undefined)
  throw new Error('usage: sluice-runner.ts <attempt file> <boot id>, on a system with /proc')
// A time-out ends every process of the session: it must be the runner's own.
if (self.session !== process.pid) throw new Error('the runner must lead a session of its own')

// A system that is going down tells everybody: the step decides what that means, and the runner waits for it.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})

const claim = claimAttempt(path, { pid: self.pid, startTicks: self.startTicks, bootId })
if (claim !== undefined) claim.finish(await perform(path, claim.spec, self))
