/** The quiet request: opened once, it gives a line whenever the gateway has something to say, until it ends. */
import type { IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import { DeviceNotice, noticeBounds, type Problem, problem } from '@sluice/protocol'

export interface NoticeOrder {
  agent: Agent
  /** Longest silence while connecting, in milliseconds. */
  connectMs: number
  /** Of the whole stream; then it is opened anew. */
  maxBytes: number
  /** Reads an answer that is none: a refusal. */
  refusalOf: (status: number, headers: IncomingMessage['headers'], body: Buffer) => Problem
  onOpen: () => void
  onNotice: (notice: DeviceNotice) => void
  signal: AbortSignal
}

/** Largest answer of a gateway that refuses. */
const REFUSAL_BYTES = 64 * 1024

/** Gives why it ended: what refused it, or `UNREACHABLE`. Rejects only with the reason of `signal`. */
export function followNotices(url: URL, order: NoticeOrder): Promise<Problem> {
  const { agent, signal, onOpen, onNotice } = order
  return new Promise((resolve, reject) => {
    const headers = { 'accept-encoding': 'identity' }
    const sent = request(url, { method: 'GET', agent, headers, signal })
    const end = (why: Problem) => {
      if (signal.aborted) reject(signal.reason)
      else resolve(why)
      sent.destroy()
    }
    const lost = (why: string) => end(problem('UNREACHABLE', `${url.origin}: ${why}`))
    sent.setTimeout(order.connectMs, () => lost('silent'))
    sent.on('error', (error) => lost(error.message))
    sent.on('response', (response) => {
      const status = response.statusCode ?? 0
      const open = status === 200
      if (open) {
        sent.setTimeout(noticeBounds.silenceTimeoutMs)
        onOpen()
      }
      let total = 0
      let held = Buffer.alloc(0)
      response.on('data', (part: Buffer) => {
        total += part.length
        held = Buffer.concat([held, part])
        if (!open) {
          if (held.length > REFUSAL_BYTES) lost('the refusal is too long')
          return
        }
        for (let at = held.indexOf(10); at !== -1; at = held.indexOf(10)) {
          const notice = readNotice(held.subarray(0, at))
          held = held.subarray(at + 1)
          if (notice !== undefined) onNotice(notice)
        }
        if (held.length > noticeBounds.lineBytes) lost('a line is too long')
        else if (total > order.maxBytes) lost('the stream had its length')
      })
      response.on('end', () => (open ? lost('it ended') : end(order.refusalOf(status, response.headers, held))))
      response.on('close', () => lost('it broke off'))
    })
    sent.end()
  })
}

/** Undefined for what a newer gateway may say. */
function readNotice(line: Uint8Array): DeviceNotice | undefined {
  try {
    return DeviceNotice.safeParse(JSON.parse(Buffer.from(line).toString('utf8'))).data
  } catch {
    return undefined
  }
}
