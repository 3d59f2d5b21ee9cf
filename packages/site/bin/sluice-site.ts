#!/usr/bin/env node
import { collectEarly } from '../src/content/import-thrift.ts'

// Loading a site makes much garbage: a young generation that grew with it would stay large for hours.
const early = collectEarly()
const { main } = await import('../src/main.ts')
early[Symbol.dispose]()
await main(process.argv.slice(2))
