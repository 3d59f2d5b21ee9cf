/**
 * Signed requests to one bucket. Owns: addresses, signatures, when to try again, what an answer that
 * is not a success means. Everything the storage says is bounded and is named in the problem; what
 * was signed is not.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ProblemError, problem } from '@sluice/protocol'
import { canonicalQuery, presign, type S3Credentials, signHeaders } from './sigv4.ts'
import { text } from './xml.ts'

export interface S3Bucket {
  /** Such as `https://s3.eu-central-1.amazonaws.com`; without a path. */
  endpoint: string
  region: string
  bucket: string
  credentials: S3Credentials
  /** `path` (endpoint/bucket/key, the default) or `host` (bucket.endpoint/key). */
  addressing?: 'path' | 'host'
}

export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** None: the bucket itself. */
  key?: string
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Uint8Array
  signal?: AbortSignal | undefined
}

/** An answer of the storage that is no success. `status` 404 and 416 mean something to callers. */
export class S3Refusal extends ProblemError {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, what: string) {
    const unavailable = status >= 500 || status === 429 || status === 408
    const detail = `The storage answered ${status}${code === '' ? '' : ` (${code})`} to ${what}.`
    super(problem(unavailable ? 'STORAGE_UNAVAILABLE' : 'STORAGE_REFUSED', detail))
    this.status = status
    this.code = code
  }
}

const TRIES = 4
const DEFAULT_FIRST_PAUSE_MS = 200
/** A list of 1,000 objects is about 400 kB. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export class S3Requests {
  readonly #bucket: S3Bucket
  readonly #base: URL
  readonly #firstPauseMs: number

  constructor(bucket: S3Bucket, firstPauseMs = DEFAULT_FIRST_PAUSE_MS) {
    this.#firstPauseMs = firstPauseMs
    this.#bucket = bucket
    const base = new URL(bucket.endpoint)
    if (bucket.addressing === 'host') base.host = `${bucket.bucket}.${base.host}`
    else base.pathname = `/${bucket.bucket}`
    this.#base = base
  }

  presigned(key: string, lifeSeconds: number, nowMs: number): string {
    return presign(this.#url(key), lifeSeconds, { ...this.#bucket, nowMs }).href
  }

  /** Gives a successful answer, the body of which the caller reads; tries again what may pass. Throws `ProblemError`. */
  async send(request: S3Request): Promise<Response> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#once(request)
      } catch (error) {
        request.signal?.throwIfAborted()
        const passes = error instanceof ProblemError && error.problem.code === 'STORAGE_UNAVAILABLE'
        if (!passes || tried === TRIES) throw error
        await sleep(this.#firstPauseMs * 4 ** (tried - 1), undefined, { signal: request.signal })
      }
    }
  }

  /** `send`, and the answer's text. */
  async ask(request: S3Request): Promise<string> {
    return readText(await this.send(request))
  }

  async #once({ method, key, query = {}, headers = {}, body, signal }: S3Request): Promise<Response> {
    const url = this.#url(key)
    url.search = canonicalQuery(new URLSearchParams(query))
    const signed = signHeaders({ ...this.#bucket, method, url, body: body ?? new Uint8Array(0), nowMs: Date.now() })
    const what = `${method} ${url.origin}${url.pathname}`
    let answer: Response
    try {
      answer = await fetch(url, {
        method,
        headers: { 'accept-encoding': 'identity', ...headers, ...signed },
        body: body === undefined ? null : (Buffer.from(body.buffer, body.byteOffset, body.byteLength) as BodyInit),
        redirect: 'manual',
        signal: signal ?? null,
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw new ProblemError(problem('STORAGE_UNAVAILABLE', `${what} failed: ${reasonOf(error)}.`), { cause: error })
    }
    if (answer.ok) return answer
    const said = await readText(answer).catch(() => '')
    throw new S3Refusal(answer.status, text(said, 'Code') ?? '', what)
  }

  #url(key?: string): URL {
    const url = new URL(this.#base)
    if (key !== undefined) url.pathname = `${url.pathname.replace(/\/$/, '')}/${key}`
    return url
  }
}

async function readText(answer: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of answer.body ?? []) {
    sizeBytes += part.length
    if (sizeBytes > MAX_ANSWER_BYTES)
      throw new ProblemError(problem('STORAGE_REFUSED', `The storage answered more than ${MAX_ANSWER_BYTES} bytes.`))
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** `fetch` hides what happened in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}
