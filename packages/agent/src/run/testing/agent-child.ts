/** The real agent as a process, for tests that kill it. */
import { main } from '../../main.ts'
import { createRuns } from '../create-runs.ts'

await main(process.argv.slice(2), createRuns)
