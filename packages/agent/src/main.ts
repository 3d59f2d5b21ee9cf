/** The agent as a process: reads its configuration, says when it is ready, ends when it is told to. */
import { parseArgs } from 'node:util'
import type { Problem } from '@sluice/protocol'
import { type Agent, createAgent } from './agent.ts'
import { loadConfig } from './config.ts'
import { createLog, type Log } from './log.ts'
import type { CreateRuns } from './run/runs.ts'
import { isFullDisk } from './state/sqlite-fault.ts'

/** Longest time that stopping may take before the process ends all the same. */
const STOP_MS = 8_000

/** Runs the agent until a signal, or until a run wants the device restarted. Never returns otherwise. */
export async function main(args: string[], createRuns: CreateRuns): Promise<void> {
  const log = createLog((line) => process.stderr.write(`${line}\n`))
  // Whoever reads the log may go away: the device goes on.
  process.stderr.on('error', () => {})
  process.on('unhandledRejection', (error) => crash(log, error))
  process.on('uncaughtException', (error) => crash(log, error))

  const { values } = parseArgs({ args, options: { config: { type: 'string' } } })
  if (values.config === undefined) return refuse(log, 'CONFIGURATION_INVALID: start me with --config <file.json>')
  const config = await loadConfig(values.config)
  if (!config.ok) return refuse(log, messageOf(config.problem))

  const end = (code: number) => {
    setTimeout(() => process.exit(code), STOP_MS).unref()
    agent.stop().then(
      () => process.exit(code),
      (error: unknown) => crash(log, error),
    )
  }
  const agent: Agent = createAgent({
    config: config.value,
    createRuns,
    log,
    random: Math.random,
    clock: Date.now,
    exit(code) {
      log.info('the device is to be restarted', { code })
      // What asked for it still returns first.
      setImmediate(end, code)
    },
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(0))

  const started = await agent.start()
  if (!started.ok) return refuse(log, messageOf(started.problem))
  process.stdout.write(`${JSON.stringify({ ready: true, ...started.value })}\n`)
}

function refuse(log: Log, message: string): void {
  log.error(message)
  process.exitCode = 1
}

function crash(log: Log, error: unknown): never {
  if (isFullDisk(error)) log.error('NO_SPACE: the disk is full; the agent ends until there is room again')
  else log.error('the agent ends because of something that nobody expected', { error })
  process.exit(1)
}

const messageOf = ({ code, detail }: Problem) => `${code}: ${detail}`
