/**
 * Route `object`: the bytes of a pack or page at a signed address.
 *
 * 1. Both are needed: the device's certificate (checked before this) and a signature for that device.
 * 2. One range at most. What was announced as length is sent, or the connection breaks.
 * 3. Two buffers take turns: one is read into while the other is sent, and a slow reader holds up
 *    nobody but itself (platform.md §8).
 * 4. Bytes count when the operating system has taken them.
 * 5. Buffers of a transfer that broke off are not used again: the connection may still hold them.
 */
import type { FileHandle } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { ByteRange, FileStore } from '@sluice/content'
import { ObjectKind, problem, Sha256 } from '@sluice/protocol'
import { sendProblem } from '../device-plane/answer.ts'
import type { RouteHandler } from '../device-plane/dispatch.ts'
import type { SiteConfiguration } from '../settings/site-configuration.ts'
import type { BufferPair, Buffers } from './buffers.ts'
import { readRange } from './range.ts'
import type { Traffic } from './traffic.ts'
import type { UrlSigner } from './url-signature.ts'

const BUSY_RETRY_MS = 2_000

export function serveObject(options: {
  siteConfiguration: SiteConfiguration
  store: FileStore
  signer: UrlSigner
  buffers: Buffers
  traffic: Traffic
  now: () => number
}): RouteHandler {
  const { siteConfiguration, store, signer, buffers, traffic, now } = options

  return async ({ caller, parameters, query, headers, response, signal }) => {
    const kind = ObjectKind.safeParse(parameters.kind)
    const hash = Sha256.safeParse(parameters.hash)
    if (!kind.success || !hash.success) return sendProblem(response, problem('NOT_FOUND', 'No such kind of object.'))
    const name = { kind: kind.data, hash: hash.data }
    if (caller.identity !== 'device' || !signer.verify(name, caller.deviceId, query, now()))
      // 1
      return sendProblem(response, problem('SIGNED_URL_REFUSED', 'Expired, changed, or signed for another device.'))
    const refusal = siteConfiguration.contentRefusal()
    if (refusal !== undefined) return sendProblem(response, refusal)

    const pair = buffers.take(caller.deviceId)
    if (pair === undefined)
      return sendProblem(response, problem('BUSY', 'Too many objects are being sent.', { retryAfterMs: BUSY_RETRY_MS }))
    let reusable = true
    try {
      const opened = await store.openFile(name)
      if (!opened.ok) return sendProblem(response, opened.problem)
      const { file, sizeBytes } = opened.value
      try {
        const range = beginAnswer(response, name.hash, headers, sizeBytes)
        if (range === undefined) return
        traffic.countRequest()
        reusable = false
        reusable = await sendRange(file, range, pair, response, signal, (bytes) => traffic.countBytes(name.kind, bytes))
      } finally {
        await file.close()
      }
    } finally {
      buffers.give(caller.deviceId, reusable ? pair : undefined) // 5
    }
  }
}

/** Writes the head of the answer; undefined when it is all there is. */
function beginAnswer(
  response: ServerResponse,
  hash: Sha256,
  headers: Record<string, string | string[] | undefined>,
  sizeBytes: number,
): ByteRange | undefined {
  const etag = `"${hash}"`
  const ifRange = headers['if-range']
  const header = ifRange === undefined || ifRange === etag ? headers.range : undefined
  const asked = readRange(typeof header === 'string' ? header : undefined, sizeBytes) // 2
  response.setHeader('accept-ranges', 'bytes')
  if (asked.kind === 'refused') {
    response.setHeader('content-range', `bytes */${sizeBytes}`)
    sendProblem(response, problem('RANGE_REFUSED', `One range within ${sizeBytes} bytes.`))
    return undefined
  }
  const range = asked.kind === 'part' ? asked.range : { start: 0, end: sizeBytes }
  if (asked.kind === 'part') response.setHeader('content-range', `bytes ${range.start}-${range.end - 1}/${sizeBytes}`)
  response.writeHead(asked.kind === 'part' ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': range.end - range.start,
    'cache-control': 'private, no-transform',
    etag,
  })
  return range
}

/** @returns whether everything was sent */
async function sendRange(
  file: FileHandle,
  range: ByteRange,
  pair: BufferPair,
  response: ServerResponse,
  signal: AbortSignal,
  count: (bytes: number) => void,
): Promise<boolean> {
  // A connection that is destroyed may never call back.
  const gone = new Promise<false>((resolve) => {
    if (signal.aborted) resolve(false)
    signal.addEventListener('abort', () => resolve(false), { once: true })
  })
  let position = range.start
  let sent: Promise<boolean> = Promise.resolve(true)
  for (let turn = 0; position < range.end; turn ^= 1) {
    const buffer = pair[turn as 0 | 1]
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, range.end - position), position)
    // 3: the other buffer is free again before this one goes out.
    if (!(await sent) || bytesRead === 0) {
      response.destroy() // 2
      return false
    }
    position += bytesRead
    sent = Promise.race([gone, write(response, buffer.subarray(0, bytesRead), count)])
  }
  if (await sent) {
    response.end()
    return true
  }
  response.destroy()
  return false
}

/** Resolves when the bytes are out, with whether they are. */
function write(response: ServerResponse, bytes: Uint8Array, count: (bytes: number) => void): Promise<boolean> {
  return new Promise((resolve) => {
    response.write(bytes, (error) => {
      const out = error === null || error === undefined
      if (out) count(bytes.length) // 4
      resolve(out)
    })
  })
}
