/** One request at a door of the line, and in one word what came of it. */
import { request as plainRequest } from 'node:http'
import { type Agent, type RequestOptions, request } from 'node:https'
import type { Credentials } from './callers.ts'

export interface Question {
  method: string
  path: string
  body?: string
  credentials?: Credentials | undefined
  headers?: Record<string, string>
  /** `http` for loopback pages. */
  scheme?: 'https' | 'http'
  /** Read a good answer to its end; else its beginning says enough, since some never end. */
  whole?: boolean
  /** Keeps connections, for many questions in a row; answers are then read to their end. */
  agent?: Agent
}

/** `cookie`: what the answer set, ready to be sent back. `word`: the problem code, `in` for a good answer, `cut` when there is none at all. */
export function ask(
  port: number,
  question: Question,
): Promise<{ word: string; body: string; cookie?: string | undefined }> {
  const { method, path, body, credentials, headers = {}, scheme = 'https', agent } = question
  const whole = question.whole ?? agent !== undefined
  const options: RequestOptions = {
    ...{ host: '127.0.0.1', port, method, path, agent: agent ?? false },
    // Who the server is is not the question here.
    ...(scheme === 'https' ? { rejectUnauthorized: false, ...credentials } : {}),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
  }
  return new Promise((resolve) => {
    const outgoing = (scheme === 'https' ? request : plainRequest)(options, (answer) => {
      let text = ''
      const good = (answer.statusCode ?? 500) < 300
      const end = () => {
        resolve({
          word: good ? 'in' : codeOf(text),
          body: text,
          cookie: answer.headers['set-cookie']?.[0]?.split(';')[0],
        })
        if (agent === undefined) outgoing.destroy()
      }
      answer.on('data', (part: Buffer) => {
        text += part.toString()
      })
      answer.on('error', end)
      answer.on('end', end)
      if (good && !whole) end()
    })
    outgoing.on('error', () => resolve({ word: 'cut', body: '' }))
    outgoing.end(body)
  })
}

function codeOf(text: string): string {
  const read: unknown = text === '' ? undefined : JSON.parse(text)
  return typeof read === 'object' && read !== null && 'code' in read ? String(read.code) : 'no reason'
}
