/** The bytes of one object as the site gives them over the bulk connection. */
import { Readable } from 'node:stream'
import { linkPaths, ProblemError, problem, readProblem, type StoredObject } from '@sluice/protocol'
import type { Link } from '../link/link.ts'
import { reason } from '../log.ts'

const ANSWER_TIMEOUT_MS = 30_000
/** Attempts in a row that bring no byte. */
const FRUITLESS_ATTEMPTS = 3
/** A stream on which nothing comes is asked for anew. */
const STALL_MS = 60_000
const MAX_PROBLEM_BYTES = 64 * 1024

/**
 * Streams an object. Where the link breaks it waits for the next one and asks for the rest, so that
 * a cut costs what was under way and not what had come. Nothing is verified here: the store hashes.
 *
 * The stream fails with a `ProblemError`: what the site said, or `SITE_UNREACHABLE`.
 */
export function pullObject(link: Link, object: StoredObject, signal: AbortSignal): Readable {
  return Readable.from(bytesOf(link, object, signal), { objectMode: false, highWaterMark: 256 * 1024 })
}

async function* bytesOf(link: Link, object: StoredObject, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let received = 0
  for (let fruitless = 0; received < object.sizeBytes; fruitless++) {
    if (fruitless === FRUITLESS_ATTEMPTS)
      throw new ProblemError(problem('SITE_UNREACHABLE', `The site does not go on with ${object.kind} ${object.hash}.`))
    await link.ready('bulk', signal)
    signal.throwIfAborted()
    const answer = await link.request('bulk', {
      method: 'GET',
      path: `${linkPaths.objects}${object.kind}/${object.hash}`,
      headers: received === 0 ? {} : { range: `bytes=${received}-` },
      timeoutMs: ANSWER_TIMEOUT_MS,
      signal,
    })
    if (!answer.ok) continue
    const { status, body } = answer.value
    if (status !== (received === 0 ? 200 : 206)) throw new ProblemError(await refusal(body, status))
    const stalled = setTimeout(() => body.destroy(new Error('stalled')), STALL_MS)
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        stalled.refresh()
        fruitless = -1
        received += chunk.length
        if (received > object.sizeBytes)
          throw new ProblemError(
            problem('CONTENT_CORRUPT', `The ${object.kind} ${object.hash} is longer than the site said.`),
          )
        yield chunk
      }
    } catch (thrown) {
      // A broken stream is asked for again; what we found wrong ourselves is not.
      if (thrown instanceof ProblemError || signal.aborted) throw thrown
    } finally {
      clearTimeout(stalled)
      body.destroy()
    }
  }
}

async function refusal(body: AsyncIterable<Uint8Array>, status: number) {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > MAX_PROBLEM_BYTES) break
      chunks.push(chunk)
    }
    return readProblem(JSON.parse(Buffer.concat(chunks).toString('utf8')), status)
  } catch (thrown) {
    return problem('BAD_ANSWER', `The site answered ${status}: ${reason(thrown)}`)
  }
}
