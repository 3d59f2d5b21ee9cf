/** Reads a small JSON document that the site answers with. */
import type { LinkAnswer } from './session.ts'

/** @throws when it breaks off, is longer than `maxBytes`, or is no JSON */
export async function readJson({ body }: LinkAnswer, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}
