import { RestError } from '@azure/storage-blob'
import { ProblemError, problem } from '@sluice/protocol'

/** Asks the storage; throws what it refuses as a `ProblemError`. `what` completes "answered … to". */
export async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw refusal(error, what)
  }
}

/** What the library threw, as a problem; without its errors, which carry the address and so a signature. */
export function refusal(error: unknown, what: string): ProblemError {
  if (error instanceof ProblemError) return error
  if (!(error instanceof RestError)) {
    const reason = error instanceof Error ? error.message : String(error)
    return new ProblemError(problem('STORAGE_UNAVAILABLE', `The storage failed at ${what}: ${reason}.`), {
      cause: error,
    })
  }
  const { statusCode = 0, code = '' } = error
  const unavailable = statusCode === 0 || statusCode >= 500 || statusCode === 429 || statusCode === 408
  const detail = `The storage answered ${statusCode === 0 ? 'nothing' : statusCode}${code === '' ? '' : ` (${code})`} to ${what}.`
  return new ProblemError(problem(unavailable ? 'STORAGE_UNAVAILABLE' : 'STORAGE_REFUSED', detail))
}
