/** Answers to several requests that came as one: each when it is ready, those of one moment in one piece. */
import type { ServerHttp2Stream } from 'node:http2'
import { writeAnswerFrame } from '@sluice/protocol'
import type { RelayedReply } from '../device-plane/device-plane.ts'

/** @param requests how many there are: the stream ends with the last answer */
export function answerTogether(
  stream: ServerHttp2Stream,
  requests: number,
): (request: number, reply: RelayedReply) => void {
  let left = requests
  let ready: Uint8Array[] = []
  const send = () => {
    const frames = Buffer.concat(ready)
    ready = []
    if (stream.closed || stream.destroyed) return
    if (!stream.headersSent) stream.respond({ ':status': 200, 'content-type': 'application/octet-stream' })
    if (left === 0) stream.end(frames)
    else stream.write(frames)
  }
  return (request, { status, contentType, body }) => {
    left--
    ready.push(writeAnswerFrame(request, status, contentType, body))
    if (left === 0) send()
    else if (ready.length === 1) setImmediate(() => ready.length > 0 && send())
  }
}
