/** Reads bodies: bounded one by one by their route, and all together by the memory they may take. */
import type { IncomingMessage } from 'node:http'
import { failed, ok, problem, type Result } from '@sluice/protocol'

const BUSY_RETRY_MS = 2_000

export interface BodyReader {
  /**
   * Reads a body whole. `BODY_TOO_LARGE` as soon as it is known; `BUSY` when others hold the memory;
   * `BAD_REQUEST` when the sender breaks off. Call `release` when the body is no longer held.
   */
  read(request: IncomingMessage, maxBytes: number): Promise<Result<{ body: Buffer; release: () => void }>>
}

/** @param totalBytes of all bodies held at once */
export function createBodyReader(totalBytes: number): BodyReader {
  let held = 0
  return {
    async read(request, maxBytes) {
      const tooLarge = failed(problem('BODY_TOO_LARGE', `This route takes ${maxBytes} bytes.`))
      const announced = request.headers['content-length']
      const chunked = request.headers['transfer-encoding'] !== undefined
      if (Number(announced ?? 0) > maxBytes || (maxBytes === 0 && chunked)) return tooLarge
      // A chunked body takes what its route allows until its size is known.
      const reserved = chunked ? maxBytes : Number(announced ?? 0)
      if (held + reserved > totalBytes)
        return failed(problem('BUSY', 'Too many bodies at once.', { retryAfterMs: BUSY_RETRY_MS }))
      held += reserved
      let released = false
      const release = () => {
        if (!released) held -= reserved
        released = true
      }
      const chunks: Buffer[] = []
      let size = 0
      try {
        // The socket stays: it must still carry the answer.
        for await (const chunk of request.iterator({ destroyOnReturn: false })) {
          size += chunk.length
          if (size > maxBytes) {
            release()
            return tooLarge
          }
          chunks.push(chunk)
        }
      } catch {
        release()
        return failed(problem('BAD_REQUEST', 'The body broke off.'))
      }
      return ok({ body: Buffer.concat(chunks, size), release })
    },
  }
}
