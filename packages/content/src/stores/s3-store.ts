/**
 * A store in a bucket of any storage that speaks S3.
 *
 * 1. A small object is one PUT; a large one is a multipart upload, which S3 shows when it is completed.
 * 2. No conditional writes: not every storage has them, and two writers of one name write the same bytes.
 * 3. A part counts as there when the storage names its MD5 as its tag; storage that tags otherwise
 *    (encryption with own keys) gets the part again.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import {
  failed,
  type ObjectKind,
  ok,
  ProblemError,
  problem,
  type Result,
  Sha256,
  type StoredObject,
} from '@sluice/protocol'
import { type CloudStore, kindPrefix, objectKey, type SignedUrl, type UploadOptions } from './cloud-store.ts'
import { isRange, totalBytesOf } from './range.ts'
import { type S3Bucket, S3Refusal, S3Requests } from './s3-requests.ts'
import { sourceOf } from './source.ts'
import type { ByteRange, ObjectName } from './store.ts'
import { type PartTarget, type PartUpload, uploadVerified } from './upload.ts'
import { elements, text } from './xml.ts'

export interface S3Options extends S3Bucket, UploadOptions {
  /** Before every key; letters, digits, `-`, `_`, `.` and `/`. Empty by default. */
  prefix?: string
}

/** Opens a bucket as a store. Asks nothing of it yet. */
export function openS3Store(options: S3Options): CloudStore {
  return new S3Store(options)
}

class S3Store implements CloudStore {
  readonly #requests: S3Requests
  readonly #prefix: string
  readonly #upload: UploadOptions

  constructor(options: S3Options) {
    this.#requests = new S3Requests(options, options.firstPauseMs)
    this.#prefix = options.prefix ?? ''
    this.#upload = options
  }

  async has(name: ObjectName): Promise<boolean> {
    return (await this.#find(this.#key(name))) !== undefined
  }

  async put(
    name: ObjectName,
    bytes: Readable | Uint8Array,
    signal?: AbortSignal,
  ): Promise<Result<{ existed: boolean }>> {
    const source = sourceOf(bytes, signal)
    try {
      signal?.throwIfAborted()
      const key = this.#key(name)
      if ((await this.#find(key, signal)) !== undefined) return ok({ existed: true })
      return await uploadVerified(name, source, this.#target(key), this.#upload, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ProblemError) return failed(error.problem)
      throw error
    } finally {
      source.destroy()
    }
  }

  async get(
    name: ObjectName,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<Result<{ body: Readable; totalBytes: number }>> {
    const outside = () =>
      failed(problem('BAD_REQUEST', `Bytes ${range?.start} to ${range?.end} are outside of the object.`))
    if (range !== undefined && !isRange(range)) return outside()
    const headers: Record<string, string> =
      range === undefined ? {} : { range: `bytes=${range.start}-${range.end - 1}` }
    try {
      const answer = await this.#requests.send({ method: 'GET', key: this.#key(name), headers, signal })
      const totalBytes = totalBytesOf(answer.headers.get('content-range'), answer.headers.get('content-length'))
      if (totalBytes === undefined || answer.body === null || (range !== undefined && answer.status !== 206)) {
        await answer.body?.cancel()
        return failed(problem('STORAGE_REFUSED', `The storage answered ${answer.status} without the range asked for.`))
      }
      if (range !== undefined && range.end > totalBytes) {
        await answer.body.cancel()
        return outside()
      }
      return ok({ body: Readable.fromWeb(answer.body as ReadableStream), totalBytes })
    } catch (error) {
      if (error instanceof S3Refusal && error.status === 416) return outside()
      if (error instanceof S3Refusal && error.status === 404 && error.code !== 'NoSuchBucket')
        return failed(problem('PACK_GONE', `The ${name.kind} ${name.hash} is not in this store.`))
      if (error instanceof ProblemError) return failed(error.problem)
      throw error
    }
  }

  async *list(kind: ObjectKind): AsyncIterable<StoredObject> {
    const prefix = kindPrefix(this.#prefix, kind)
    let next: string | undefined
    do {
      const query = { 'list-type': '2', prefix, ...(next === undefined ? {} : { 'continuation-token': next }) }
      const page = await this.#requests.ask({ method: 'GET', query })
      for (const object of elements(page, 'Contents')) {
        const hash = Sha256.safeParse(text(object, 'Key')?.slice(prefix.length))
        if (hash.success) yield { kind, hash: hash.data, sizeBytes: Number(text(object, 'Size')) }
      }
      next = text(page, 'IsTruncated') === 'true' ? text(page, 'NextContinuationToken') : undefined
    } while (next !== undefined)
  }

  async delete(name: ObjectName, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    try {
      await this.#requests.send({ method: 'DELETE', key: this.#key(name), signal })
    } catch (error) {
      if (!(error instanceof S3Refusal && error.status === 404)) throw error
    }
  }

  async signedUrl(name: ObjectName, lifeMs: number): Promise<Result<SignedUrl>> {
    const nowMs = Date.now()
    // Signatures count whole seconds from a whole second.
    const lifeSeconds = Math.max(1, Math.floor(lifeMs / 1000))
    const url = this.#requests.presigned(this.#key(name), lifeSeconds, nowMs)
    return ok({ url, expiresAtMs: (Math.floor(nowMs / 1000) + lifeSeconds) * 1000 })
  }

  #key(name: ObjectName): string {
    return objectKey(this.#prefix, { kind: name.kind, hash: Sha256.parse(name.hash) })
  }

  async #find(key: string, signal?: AbortSignal): Promise<{ sizeBytes: number } | undefined> {
    try {
      const answer = await this.#requests.send({ method: 'HEAD', key, signal })
      return { sizeBytes: Number(answer.headers.get('content-length')) }
    } catch (error) {
      if (error instanceof S3Refusal && error.status === 404) return undefined
      throw error
    }
  }

  /** Invariant 1. */
  #target(key: string): PartTarget {
    return {
      whole: async (body, signal) => {
        const answer = await this.#requests.send({ method: 'PUT', key, body, signal })
        await answer.body?.cancel()
      },
      begin: async (signal) => {
        const uploadId = await this.#interrupted(key, signal)
        if (uploadId === undefined) return this.#parts(key, await this.#create(key, signal), new Map())
        return this.#parts(key, uploadId, await this.#partsSent(key, uploadId, signal))
      },
    }
  }

  /** The newest upload of a key that was begun and neither completed nor given up. */
  async #interrupted(key: string, signal: AbortSignal): Promise<string | undefined> {
    const query = { uploads: '', prefix: key }
    const answer = await this.#requests.ask({ method: 'GET', query, signal }).catch((error: unknown) => {
      // Credentials may write and not list uploads; then every upload begins anew.
      if (error instanceof S3Refusal && error.problem.code === 'STORAGE_REFUSED') return ''
      throw error
    })
    const uploads = elements(answer, 'Upload').filter((upload) => text(upload, 'Key') === key)
    const newest = uploads.sort((a, b) => ((text(a, 'Initiated') ?? '') < (text(b, 'Initiated') ?? '') ? 1 : -1))[0]
    return newest === undefined ? undefined : text(newest, 'UploadId')
  }

  async #create(key: string, signal: AbortSignal): Promise<string> {
    const answer = await this.#requests.ask({ method: 'POST', key, query: { uploads: '' }, signal })
    const uploadId = text(answer, 'UploadId')
    if (uploadId === undefined) throw new ProblemError(problem('STORAGE_REFUSED', 'The storage began no upload.'))
    return uploadId
  }

  /** Tag by number, from 1. A pack has far fewer parts than one answer lists. */
  async #partsSent(key: string, uploadId: string, signal: AbortSignal): Promise<Map<number, string>> {
    const answer = await this.#requests.ask({ method: 'GET', key, query: { uploadId }, signal })
    return new Map(
      elements(answer, 'Part').map((part) => [Number(text(part, 'PartNumber')), unquoted(text(part, 'ETag') ?? '')]),
    )
  }

  #parts(key: string, uploadId: string, sent: Map<number, string>): PartUpload {
    return {
      send: async (number, body, signal) => {
        const partNumber = number + 1
        // Invariant 3.
        if (sent.get(partNumber) === createHash('md5').update(body).digest('hex')) return
        const query = { partNumber: String(partNumber), uploadId }
        const answer = await this.#requests.send({ method: 'PUT', key, query, body, signal })
        sent.set(partNumber, unquoted(answer.headers.get('etag') ?? ''))
        await answer.body?.cancel()
      },
      finish: async (parts, signal) => {
        const list = Array.from(
          { length: parts },
          (_, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>"${sent.get(i + 1)}"</ETag></Part>`,
        )
        const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`)
        try {
          const answer = await this.#requests.ask({ method: 'POST', key, query: { uploadId }, body, signal })
          // The storage answers 200 before it knows how joining ends.
          const code = text(answer, 'Code')
          if (elements(answer, 'CompleteMultipartUploadResult').length === 0)
            throw new S3Refusal(code === 'InternalError' ? 500 : 400, code ?? '', 'joining the parts')
        } catch (error) {
          // Another writer of the same bytes, or an earlier try of this one, was first.
          const gone = error instanceof S3Refusal && error.code === 'NoSuchUpload'
          if (!gone || (await this.#find(key, signal)) === undefined) throw error
        }
      },
      giveUp: async () => {
        await this.#requests.send({ method: 'DELETE', key, query: { uploadId } })
      },
    }
  }
}

const unquoted = (tag: string): string => tag.replaceAll('"', '')
