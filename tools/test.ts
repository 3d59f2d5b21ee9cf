/**
 * `npm test`: every test once. Arguments go to Node's test runner; without a path among them all test files run.
 *
 * Most of a small test file's time is Node reading our sources, and so is the start of every process that a test
 * starts; all of them share one cache of compiled code. It is keyed by content and may be deleted at any time.
 *
 * Three files at once on two processors: half of the time of the long ones is waiting, for a poll, a timer or a disk.
 * What a test waits for is a condition, so it does not mind how long its neighbours make it wait.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url))
const given = process.argv.slice(2)
const paths = given.some((argument) => !argument.startsWith('-')) ? [] : ['packages/*/src/**/*.test.ts']

const tests = spawn(process.execPath, ['--test', '--test-concurrency=3', ...given, ...paths], {
  stdio: 'inherit',
  env: { NODE_COMPILE_CACHE: cache, ...process.env },
})
tests.on('close', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tests.kill(signal))
