import type { TestContext } from 'node:test'

/** Skips a test for what this machine lacks, and says what; on a build machine that is a failure. */
export function missing(t: TestContext, what: string): void {
  if (process.env.CI === 'true') throw new Error(`cannot be tested here: ${what}`)
  t.skip(what)
}
