#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { main } from '../src/main.ts'

// What a site makes lives briefly: collected early and often, an import of a million files stays small.
for (const flag of ['--max-semi-space-size=4', '--semi-space-growth-factor=1']) setFlagsFromString(flag)
await main(process.argv.slice(2))
