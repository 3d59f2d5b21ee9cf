/** A thread that decodes one `.xz` file and sends its plain bytes, at most `AHEAD` pieces more than were taken. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { parentPort, workerData } from 'node:worker_threads'
import xz from 'xz-decompress'

const READ_BYTES = 1024 * 1024
const PIECE_BYTES = 1024 * 1024
/** Pieces that lie with the reader. */
const AHEAD = 1

const port = parentPort
if (port === null) throw new Error('this file runs as a worker thread')
let room = AHEAD
let wake = () => {}
port.on('message', () => {
  room++
  wake()
})

async function send(piece: Uint8Array<ArrayBuffer>): Promise<void> {
  while (room === 0)
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  room--
  port?.postMessage(piece, [piece.buffer])
}

const file = createReadStream(String(workerData), { highWaterMark: READ_BYTES })
const plain = new xz.XzReadableStream(Readable.toWeb(file) as ReadableStream<Uint8Array>)
let piece = new Uint8Array(PIECE_BYTES)
let filled = 0
for await (const bytes of Readable.fromWeb(
  plain as Parameters<typeof Readable.fromWeb>[0],
) as AsyncIterable<Uint8Array>)
  for (let at = 0; at < bytes.length; ) {
    const part = bytes.subarray(at, at + PIECE_BYTES - filled)
    piece.set(part, filled)
    at += part.length
    filled += part.length
    if (filled < PIECE_BYTES) continue
    await send(piece)
    piece = new Uint8Array(PIECE_BYTES)
    filled = 0
  }
if (filled > 0) await send(piece.slice(0, filled))
port.close()
