#!/usr/bin/env node
/**
 * The runner of one attempt: `sluice-runner.ts <attempt file> <boot id>`. Started by the agent as the
 * leader of its own session, so that it outlives the agent; it talks to nobody, its outcome is a row
 * in the file.
 */
import { claimAttempt } from '../src/run/attempt.ts'
import { perform } from '../src/run/perform.ts'
import { identifyRunner } from '../src/run/step-processes.ts'

const [path, bootId] = process.argv.slice(2)
const self = identifyRunner()
if (path === undefined || bootId === undefined || self === undefined)
  throw new Error(
    'usage: sluice-runner.ts <attempt file> <boot id>, on a system with /proc as leader of a session, or Windows',
  )

// A system that is going down tells everybody: the step decides what that means, and the runner waits for it.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})

const claim = claimAttempt(path, { ...self, bootId })
if (claim !== undefined) claim.finish(await perform(path, claim.spec, self))
