#!/usr/bin/env node
/** The agent of a device: `sluice-agent.ts --config <file.json>`; its cache: `sluice-agent.ts cache list --config …`. */
const args = process.argv.slice(2)
if (args[0] === 'cache') {
  const { cacheCommand } = await import('../src/cache/command.ts')
  process.exitCode = await cacheCommand(args.slice(1), { out: console.log, error: console.error })
} else {
  const { main } = await import('../src/main.ts')
  const { createRuns } = await import('../src/run/create-runs.ts')
  await main(args, createRuns)
}
