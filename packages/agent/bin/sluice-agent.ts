#!/usr/bin/env node
/** The agent of a device: `sluice-agent.ts --config <file.json>`; other orders begin with a word, as `sluice-agent.ts cache list --config …`. */
import { flushCompileCache } from 'node:module'

const args = process.argv.slice(2)
const isStart = ([first = '', ...more]: string[]) =>
  first === '--config' ? more.length === 1 : first.startsWith('--config=') && more.length === 0
const usage = `Usage: sluice-agent --config <file.json>           runs the agent
       sluice-agent cache <command> --config …    what the device keeps: list, pin, unpin, delete
       sluice-agent check --config …              what is wrong on the way to the gateways and the site
       sluice-agent enrol --sign-in --config …    enrols this device by a sign-in of its user
       sluice-agent trace --config …              why a run did what it did
       sluice-agent scripting …                   objects for scripts, on Windows`

if (args[0] === 'cache') {
  const { cacheCommand } = await import('../src/cache/command.ts')
  process.exitCode = await cacheCommand(args.slice(1), { out: console.log, error: console.error })
} else if (args[0] === 'trace') {
  const { traceCommand } = await import('../src/run/trace-command.ts')
  process.exitCode = await traceCommand(args.slice(1), { out: console.log, error: console.error })
} else if (args[0] === 'scripting') {
  const { scriptingCommand } = await import('../src/scripting/command.ts')
  process.exitCode = scriptingCommand(args.slice(1))
} else if (args[0] === 'windows') {
  const { prepareCommand } = await import('../src/run/windows/prepare-command.ts')
  process.exitCode = prepareCommand(args.slice(1), { out: console.log, error: console.error })
} else if (args[0] === 'enrol') {
  const { enrolCommand } = await import('../src/identity/enrol-command.ts')
  process.exitCode = await enrolCommand(args.slice(1), { out: console.log, error: console.error })
} else if (args[0] === 'check') {
  const { checkCommand } = await import('../src/check/command.ts')
  const ended = new AbortController()
  process.once('SIGINT', () => ended.abort())
  const output = { out: console.log, error: console.error }
  process.exitCode = await checkCommand(args.slice(1), output, ended.signal).catch((why: unknown) => {
    if (ended.signal.aborted) return 1
    throw why
  })
} else if (!isStart(args)) {
  // `--help` is a question, anything else a mistake.
  const asked = args[0] === '--help' || args[0] === '-h'
  process.stdout.write(asked ? `${usage}\n` : '')
  process.stderr.write(asked ? '' : `${usage}\n`)
  process.exitCode = asked ? 0 : 2
} else {
  const { keepSmall } = await import('../src/footprint.ts')
  keepSmall(args[args.indexOf('--config') + 1])
  const { main } = await import('../src/main.ts')
  const { createRuns } = await import('../src/run/create-runs.ts')
  await main(args, createRuns)
  // An agent that ends leaves its compiled code; so does one that is killed later, when all is loaded.
  setTimeout(flushCompileCache, 60_000).unref()
}
