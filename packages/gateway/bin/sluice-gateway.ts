#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'

// Loading makes much garbage, once.
setFlagsFromString('--semi-space-growth-factor=1')
const { main } = await import('../src/main.ts')
const { boundYoungGeneration } = await import('../src/young-generation.ts')
boundYoungGeneration()
await main(process.argv.slice(2))
