/**
 * Sends an object in parts. Owns: cutting, hashing, how many parts are under way. Does not own how a
 * storage takes parts (`PartTarget`).
 *
 * 1. Nothing is visible before every byte was hashed and found right: the storage learns the parts
 *    first and is told to join them last.
 * 2. When the source is to blame (wrong bytes, broke off) or the caller says stop, the parts are given
 *    up; when the storage is, they stay, and the next put of the object sends only what is missing.
 * 3. When `uploadVerified` returns or throws, no request of it is under way any more.
 */
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { failed, MAX_PACK_BYTES, MAX_ROOT_BYTES, ok, ProblemError, problem, type Result } from '@sluice/protocol'
import type { UploadOptions } from './cloud-store.ts'
import type { ObjectName } from './store.ts'

export interface PartTarget {
  /** Stores an object that fits one part. */
  whole(bytes: Buffer, signal: AbortSignal): Promise<void>
  /** Begins to send parts, or goes on where an earlier put of the same object was interrupted. */
  begin(signal: AbortSignal): Promise<PartUpload>
}

/** Throws `ProblemError` when the storage does not do as asked. */
export interface PartUpload {
  /** `number` counts from 0. May be asked for several parts at once; a part that is there is not sent again. */
  send(number: number, bytes: Buffer, signal: AbortSignal): Promise<void>
  /** Joins `parts` parts and makes the object visible. */
  finish(parts: number, signal: AbortSignal): Promise<void>
  /** Gives up what was sent. */
  giveUp(): Promise<void>
}

const DEFAULT_PART_BYTES = 8 * 1024 * 1024
const DEFAULT_PARALLEL = 4

/** Sealed roots are a little larger than plain ones. */
const maxBytes = { pack: MAX_PACK_BYTES, page: MAX_ROOT_BYTES + 4096 } as const

/** The problems of `Store.put`; throws the signal's reason when it is aborted. The caller destroys the source. */
export async function uploadVerified(
  name: ObjectName,
  source: Readable,
  target: PartTarget,
  options: UploadOptions,
  signal?: AbortSignal,
): Promise<Result<{ existed: boolean }>> {
  const partBytes = options.partBytes ?? DEFAULT_PART_BYTES
  const parallel = options.parallel ?? DEFAULT_PARALLEL
  // Ends the requests of this put when one of them fails (invariant 3).
  const stop = new AbortController()
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  let upload: PartUpload | undefined
  let held: Buffer | undefined
  let number = 0

  const send = async (bytes: Buffer): Promise<void> => {
    upload ??= await target.begin(either)
    while (underWay.size >= parallel) await Promise.race(underWay)
    if (failures.length > 0) throw failures[0]
    const sending = upload.send(number++, bytes, either).catch((error: unknown) => {
      failures.push(error)
      stop.abort(error)
    })
    const tracked = sending.finally(() => underWay.delete(tracked))
    underWay.add(tracked)
  }

  try {
    const hash = createHash('sha256')
    for await (const part of cut(readVerifiable(source, name, hash, signal), partBytes)) {
      if (held !== undefined) await send(held)
      held = part
    }
    const found = hash.digest('hex')
    if (found !== name.hash)
      throw new SourceFault(problem('CONTENT_CORRUPT', `The ${name.kind} ${name.hash} arrived as ${found}.`))
    const last = held ?? Buffer.alloc(0)
    if (upload === undefined) await target.whole(last, either)
    else {
      await send(last)
      await Promise.all(underWay)
      if (failures.length > 0) throw failures[0]
      await (upload as PartUpload).finish(number, either)
    }
    return ok({ existed: false })
  } catch (error) {
    stop.abort(error)
    await Promise.all(underWay)
    const ours = error instanceof SourceFault || signal?.aborted === true
    // What cannot be given up now is never visible either; the storage's own rule removes it in time.
    if (ours) await (upload as PartUpload | undefined)?.giveUp().catch(() => undefined)
    signal?.throwIfAborted()
    if (error instanceof ProblemError) return failed(error.problem)
    throw error
  }
}

/** The source is to blame, not the storage. */
class SourceFault extends ProblemError {}

/** Hashes on the way; tells a source that breaks from a storage that does. */
async function* readVerifiable(
  source: Readable,
  name: ObjectName,
  hash: ReturnType<typeof createHash>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  try {
    for await (const part of source) {
      const bytes = part as Uint8Array
      sizeBytes += bytes.length
      if (sizeBytes > maxBytes[name.kind])
        throw new SourceFault(
          problem('CONTENT_CORRUPT', `The ${name.kind} ${name.hash} is longer than ${maxBytes[name.kind]} bytes.`),
        )
      hash.update(bytes)
      yield bytes
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof SourceFault) throw error
    if (error instanceof ProblemError) throw new SourceFault(error.problem)
    const reason = error instanceof Error ? error.message : String(error)
    throw new SourceFault(problem('CONTENT_SOURCE_FAILED', `The source broke off: ${reason}.`), { cause: error })
  }
}

/** Parts of exactly `partBytes`, the last one of what is left. */
async function* cut(source: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer> {
  let part = Buffer.allocUnsafe(partBytes)
  let filled = 0
  for await (const bytes of source) {
    let at = 0
    while (at < bytes.length) {
      if (filled === partBytes) {
        yield part
        part = Buffer.allocUnsafe(partBytes)
        filled = 0
      }
      const taken = Math.min(bytes.length - at, partBytes - filled)
      part.set(bytes.subarray(at, at + taken), filled)
      filled += taken
      at += taken
    }
  }
  yield part.subarray(0, filled)
}
