/**
 * Reads bodies: bounded one by one by their route, all together by the memory they may take, and each
 * in how slowly it may come.
 */
import type { IncomingMessage } from 'node:http'
import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import type { ListenerBounds } from '../tls/listener-bounds.ts'

const BUSY_RETRY_MS = 2_000

export interface BodyReader {
  /**
   * Reads a body whole. `BODY_TOO_LARGE` as soon as it is known; `REQUEST_TOO_SLOW` below the least rate;
   * `BUSY` when others hold the memory; `BAD_REQUEST` when the sender breaks off. Call `release` when the
   * body is no longer held.
   */
  read(request: IncomingMessage, maxBytes: number): Promise<Result<{ body: Buffer; release: () => void }>>
  stop(): void
}

/** A body that is on its way. */
interface Coming {
  since: number
  bytes: number
  end: (why: Problem) => void
}

/** @param totalBytes of all bodies held at once */
export function createBodyReader(
  totalBytes: number,
  bounds: Pick<ListenerBounds, 'checkIntervalMs' | 'slowGraceMs' | 'leastBodyRate'>,
): BodyReader {
  let held = 0
  const coming = new Set<Coming>()
  // One timer for all of them.
  const timer = setInterval(() => {
    const now = performance.now()
    for (const { since, bytes, end } of coming)
      if (now - since > bounds.slowGraceMs + (bytes / bounds.leastBodyRate) * 1000)
        end(problem('REQUEST_TOO_SLOW', `${bytes} bytes in ${Math.round((now - since) / 1000)} s.`))
  }, bounds.checkIntervalMs)
  timer.unref()

  function readAll(request: IncomingMessage, maxBytes: number): Promise<Result<Buffer>> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = []
      const end = (result: Result<Buffer>) => {
        coming.delete(entry)
        request.off('data', take)
        // The socket stays: it must still carry the answer.
        if (!result.ok) request.pause()
        resolve(result)
      }
      const entry: Coming = { since: performance.now(), bytes: 0, end: (why) => end(failed(why)) }
      const take = (chunk: Buffer) => {
        entry.bytes += chunk.length
        if (entry.bytes > maxBytes) end(failed(tooLarge(maxBytes)))
        else chunks.push(chunk)
      }
      coming.add(entry)
      request.on('data', take)
      request.once('end', () =>
        end(ok(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, entry.bytes))),
      )
      request.once('error', () => {})
      request.once('close', () => end(failed(problem('BAD_REQUEST', 'The body broke off.'))))
    })
  }

  return {
    async read(request, maxBytes) {
      const announced = request.headers['content-length']
      const chunked = request.headers['transfer-encoding'] !== undefined
      if (Number(announced ?? 0) > maxBytes || (maxBytes === 0 && chunked)) return failed(tooLarge(maxBytes))
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
      const body = await readAll(request, maxBytes)
      if (body.ok) return ok({ body: body.value, release })
      release()
      return body
    },
    stop: () => clearInterval(timer),
  }
}

const tooLarge = (maxBytes: number): Problem => problem('BODY_TOO_LARGE', `This route takes ${maxBytes} bytes.`)
