/**
 * A store in a container of Azure Blob Storage.
 *
 * 1. A small object is one Put Blob; a large one is staged in blocks, which Azure shows when their
 *    list is committed. Blocks that were never committed are removed by Azure after seven days.
 * 2. The id of a block is its number and the SHA-256 of its bytes: one that is there need not be sent again.
 * 3. Nothing is overwritten (`If-None-Match: *`); who comes second finds the same bytes.
 */
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { BlobServiceClient, type BlockBlobClient, ContainerClient, newPipeline, RestError } from '@azure/storage-blob'
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
import { type AzureCredential, createSigner, libraryCredential, type Signer } from './azure-credential.ts'
import { asked, refusal } from './azure-refusal.ts'
import { type CloudStore, kindPrefix, objectKey, type SignedUrl, type UploadOptions } from './cloud-store.ts'
import { isRange, totalBytesOf } from './range.ts'
import { sourceOf } from './source.ts'
import type { ByteRange, ObjectName } from './store.ts'
import { type PartTarget, type PartUpload, uploadVerified } from './upload.ts'

export interface AzureBlobOptions extends UploadOptions {
  /** Such as `https://account.blob.core.windows.net/container`. */
  containerUrl: string
  credential: AzureCredential
  /** Before every name; letters, digits, `-`, `_`, `.` and `/`. Empty by default. */
  prefix?: string
}

const DEFAULT_FIRST_PAUSE_MS = 200
const TRIES = 4
/** Opens a container as a store. Asks nothing of it yet. */
export function openAzureBlobStore(options: AzureBlobOptions): CloudStore {
  const { credential } = options
  const pipeline = newPipeline(libraryCredential(credential), {
    retryOptions: { maxTries: TRIES, retryDelayInMs: options.firstPauseMs ?? DEFAULT_FIRST_PAUSE_MS },
  })
  const query = credential.kind === 'sas' ? `?${credential.token}` : ''
  const container = new ContainerClient(`${options.containerUrl}${query}`, pipeline)
  const service = new BlobServiceClient(options.containerUrl.slice(0, options.containerUrl.lastIndexOf('/')), pipeline)
  return new AzureBlobStore(container, createSigner(container, service, credential), options)
}

class AzureBlobStore implements CloudStore {
  readonly #container: ContainerClient
  readonly #signer: Signer
  readonly #prefix: string
  readonly #upload: UploadOptions

  constructor(container: ContainerClient, signer: Signer, options: AzureBlobOptions) {
    this.#container = container
    this.#signer = signer
    this.#prefix = options.prefix ?? ''
    this.#upload = options
  }

  async has(name: ObjectName): Promise<boolean> {
    return this.#exists(this.#blob(name))
  }

  async put(
    name: ObjectName,
    bytes: Readable | Uint8Array,
    signal?: AbortSignal,
  ): Promise<Result<{ existed: boolean }>> {
    const source = sourceOf(bytes, signal)
    try {
      signal?.throwIfAborted()
      const blob = this.#blob(name)
      if (await this.#exists(blob, signal)) return ok({ existed: true })
      return await uploadVerified(name, source, target(blob), this.#upload, signal)
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
    try {
      const count = range === undefined ? undefined : range.end - range.start
      const answer = await this.#blob(name).download(range?.start ?? 0, count, {
        maxRetryRequests: TRIES,
        ...abortSignal(signal),
      })
      const body = answer.readableStreamBody as Readable | undefined
      const totalBytes = totalBytesOf(answer.contentRange ?? null, String(answer.contentLength))
      if (body === undefined || totalBytes === undefined)
        return failed(problem('STORAGE_REFUSED', 'The storage answered without the range asked for.'))
      if (range !== undefined && range.end > totalBytes) {
        body.on('error', () => undefined).destroy()
        return outside()
      }
      return ok({ body, totalBytes })
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof RestError && error.statusCode === 416) return outside()
      if (error instanceof RestError && error.statusCode === 404 && error.code !== 'ContainerNotFound')
        return failed(problem('PACK_GONE', `The ${name.kind} ${name.hash} is not in this store.`))
      return failed(refusal(error, 'reading').problem)
    }
  }

  async *list(kind: ObjectKind): AsyncIterable<StoredObject> {
    const prefix = kindPrefix(this.#prefix, kind)
    const blobs = this.#container.listBlobsFlat({ prefix })[Symbol.asyncIterator]()
    for (;;) {
      const next = await asked('listing', () => blobs.next())
      if (next.done) return
      const { name, properties } = next.value
      const hash = Sha256.safeParse(name.slice(prefix.length))
      if (hash.success) yield { kind, hash: hash.data, sizeBytes: properties.contentLength ?? 0 }
    }
  }

  async delete(name: ObjectName, signal?: AbortSignal): Promise<void> {
    const how = { deleteSnapshots: 'include', ...(signal === undefined ? {} : { abortSignal: signal }) } as const
    signal?.throwIfAborted()
    await asked('deleting', () => this.#blob(name).deleteIfExists(how)).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }

  async signedUrl(name: ObjectName, lifeMs: number): Promise<Result<SignedUrl>> {
    const blob = this.#blob(name)
    // Signatures count in whole seconds.
    const expiresAtMs = Math.floor((Date.now() + lifeMs) / 1000) * 1000
    try {
      const query = await asked('signing', () => this.#signer(blob.name, expiresAtMs))
      if (query === undefined)
        return failed(problem('STORAGE_CANNOT_SIGN', 'The storage was opened with a shared access signature.'))
      return ok({ url: `${blob.url}?${query}`, expiresAtMs })
    } catch (error) {
      if (error instanceof ProblemError) return failed(error.problem)
      throw error
    }
  }

  #blob(name: ObjectName): BlockBlobClient {
    return this.#container.getBlockBlobClient(
      objectKey(this.#prefix, { kind: name.kind, hash: Sha256.parse(name.hash) }),
    )
  }

  async #exists(blob: BlockBlobClient, signal?: AbortSignal): Promise<boolean> {
    return asked('looking for an object', () => blob.exists(abortSignal(signal)))
  }
}

/** Invariants 1 to 3. */
function target(blob: BlockBlobClient): PartTarget {
  const conditions = { ifNoneMatch: '*' }
  return {
    whole: (bytes, signal) =>
      unlessThere('storing an object', () =>
        blob.upload(bytes, bytes.length, { conditions, transactionalContentMD5: md5(bytes), abortSignal: signal }),
      ),
    begin: async (signal) => parts(blob, await staged(blob, signal)),
  }
}

function parts(blob: BlockBlobClient, there: Set<string>): PartUpload {
  const ids: string[] = []
  return {
    send: async (number, bytes, signal) => {
      const id = blockId(number, bytes)
      ids[number] = id
      if (there.has(id)) return
      await asked('storing a block', () =>
        blob.stageBlock(id, bytes, bytes.length, { transactionalContentMD5: md5(bytes), abortSignal: signal }),
      )
    },
    finish: (_, signal) =>
      unlessThere('joining the blocks', () =>
        blob.commitBlockList(ids, { conditions: { ifNoneMatch: '*' }, abortSignal: signal }),
      ),
    // Invariant 1: Azure has no request for it and does it by itself.
    giveUp: async () => undefined,
  }
}

/** Ids of the blocks that an interrupted put left. */
async function staged(blob: BlockBlobClient, signal: AbortSignal): Promise<Set<string>> {
  try {
    const list = await blob.getBlockList('uncommitted', { abortSignal: signal })
    return new Set(list.uncommittedBlocks?.map((block) => block.name))
  } catch (error) {
    if (error instanceof RestError && error.statusCode === 404 && error.code !== 'ContainerNotFound') return new Set()
    throw refusal(error, 'listing blocks')
  }
}

/** Invariant 2. All ids of a blob have the same length, as Azure wants. */
function blockId(number: number, bytes: Buffer): string {
  const id = Buffer.alloc(36)
  id.writeUInt32BE(number)
  createHash('sha256').update(bytes).digest().copy(id, 4)
  return id.toString('base64')
}

const md5 = (bytes: Buffer): Buffer => createHash('md5').update(bytes).digest()

const abortSignal = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal })

/** Invariant 3. */
async function unlessThere(what: string, ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask()
  } catch (error) {
    const exists = error instanceof RestError && error.code === 'BlobAlreadyExists'
    if (!exists) throw refusal(error, what)
  }
}
