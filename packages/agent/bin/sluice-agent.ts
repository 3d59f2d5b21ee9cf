#!/usr/bin/env node
/** The agent of a device: `sluice-agent.ts --config <file.json>`. */
import { main } from '../src/main.ts'
import { createRuns } from '../src/run/create-runs.ts'

await main(process.argv.slice(2), createRuns)
