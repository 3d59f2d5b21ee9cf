/** Sends bytes on a stream of the link, in portions and only as fast as the gateway takes them. */
import type { ServerHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Whole bodies of many MiB in one write made the peer refuse new requests (platform.md, Part C). */
const PORTION_BYTES = 256 * 1024

export async function sendBytes(stream: ServerHttp2Stream, bytes: Uint8Array): Promise<void> {
  if (bytes.length <= PORTION_BYTES) {
    stream.end(bytes)
    return
  }
  await sendStream(stream, Readable.from(portions(bytes)))
}

/** Ends, or breaks off both sides. */
export async function sendStream(stream: ServerHttp2Stream, body: Readable): Promise<void> {
  // Whoever breaks off, the other side sees it by the length that was announced.
  await pipeline(body, stream).catch(() => {})
}

/** One JSON document a line. */
export async function sendLines(stream: ServerHttp2Stream, lines: Iterable<unknown>): Promise<void> {
  await sendStream(stream, Readable.from(joined(lines)))
}

function* portions(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PORTION_BYTES) yield bytes.subarray(at, at + PORTION_BYTES)
}

function* joined(lines: Iterable<unknown>): Generator<string> {
  let portion = ''
  for (const line of lines) {
    portion += `${JSON.stringify(line)}\n`
    if (portion.length < PORTION_BYTES) continue
    yield portion
    portion = ''
  }
  if (portion !== '') yield portion
}
