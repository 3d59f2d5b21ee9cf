/** Downloads the first package of an order (a JSON file) and says `done`: to be killed by tests. */
import { readFileSync } from 'node:fs'
import { never, once, openTestRun, silent, type TestRunOrder } from './test-run.ts'

const order: TestRunOrder = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
const run = await openTestRun(order)
const [first] = order.packages
if (first === undefined) throw new Error('an order without packages')
const got = await run.contents.acquire({ packageId: first.policy.id, retry: once }, never, silent)
process.stdout.write(got.ok ? 'done\n' : `${JSON.stringify(got.problem)}\n`)
run.stop()
