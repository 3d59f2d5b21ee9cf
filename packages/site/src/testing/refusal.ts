import { ProblemError } from '@sluice/protocol'

/** What became of work that may be refused: the code of the problem, else `otherwise`. Surprises are thrown. */
export async function codeOf(work: Promise<unknown>, otherwise = 'done'): Promise<string> {
  return (await problemOf(work))?.code ?? otherwise
}

/** The same with the reason behind the code. */
export async function reasonOf(work: Promise<unknown>): Promise<string> {
  const refused = await problemOf(work)
  return refused === undefined ? 'done' : `${refused.code}: ${refused.detail}`
}

/** For `assert.rejects`. */
export const refusedAs = (code: string) => (error: unknown) =>
  error instanceof ProblemError && error.problem.code === code

async function problemOf(work: Promise<unknown>) {
  try {
    await work
    return undefined
  } catch (error) {
    if (error instanceof ProblemError) return error.problem
    throw error
  }
}
