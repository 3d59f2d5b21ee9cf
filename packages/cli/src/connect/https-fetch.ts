/**
 * `fetch` over `node:https` with one trusted authority: the built-in one cannot be given its own for
 * a single client. Answers are bounded, redirects are not followed.
 */
import { Agent, request } from 'node:https'

const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** The site may wait half a minute for news before it answers. */
const SILENCE_TIMEOUT_MS = 90_000

export interface HttpsFetch {
  fetch: typeof globalThis.fetch
  close(): void
}

/** @param options.authority PEM; certificates of others are refused */
export function createHttpsFetch({ authority }: { authority: string }): HttpsFetch {
  const agent = new Agent({ ca: authority, keepAlive: true, minVersion: 'TLSv1.2', maxSockets: 8 })
  return {
    async fetch(input, init = {}) {
      const sent = new Request(input, init)
      const body = Buffer.from(await sent.arrayBuffer())
      const { status, headers, bytes } = await exchange(agent, sent, body)
      return new Response(bytes.length === 0 ? null : new Uint8Array(bytes), { status, headers })
    },
    close: () => agent.destroy(),
  }
}

/** Node's advice about a certificate is for programmers. */
function inWords(cause: NodeJS.ErrnoException): Error {
  if (cause.code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return new Error('its certificate is for another name; give the address that stands in its ready line')
  if (/CERT|VERIFY|SELF_SIGNED/.test(cause.code ?? ''))
    return new Error(`its certificate is not by the authority that you trust here (--authority): ${cause.code}`)
  return cause
}

interface Answer {
  status: number
  headers: Record<string, string>
  bytes: Buffer
}

function exchange(agent: Agent, sent: Request, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // `fetch` rejects with the cause inside; the typed client shows that cause to people.
    const failed = (cause: Error): void =>
      reject(sent.signal.aborted ? cause : new TypeError('fetch failed', { cause: inWords(cause) }))
    const call = request(sent.url, {
      agent,
      method: sent.method,
      headers: { ...Object.fromEntries(sent.headers), 'content-length': body.length },
      signal: sent.signal,
      timeout: SILENCE_TIMEOUT_MS,
    })
    call.on('timeout', () => call.destroy(new Error('no answer for too long')))
    call.on('error', failed)
    call.on('response', (answer) => {
      const chunks: Buffer[] = []
      let size = 0
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) answer.destroy(new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      })
      answer.on('error', failed)
      answer.on('end', () => {
        const headers: Record<string, string> = {}
        for (const [name, value] of Object.entries(answer.headers))
          if (value !== undefined) headers[name] = String(value)
        resolve({ status: answer.statusCode ?? 0, headers, bytes: Buffer.concat(chunks) })
      })
    })
    call.end(body)
  })
}
