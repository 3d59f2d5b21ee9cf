import { fail } from '@sluice/protocol'

/**
 * Values of a stream of newline-separated JSON, each as soon as its line is complete. A line that
 * is broken off at the end of the stream is dropped: its sender died while it wrote.
 * @param maxLineChars a longer line is `BAD_ANSWER`, before it is held whole.
 */
export async function* readJsonLines(body: ReadableStream<Uint8Array>, maxLineChars: number): AsyncGenerator<unknown> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.trim() !== '') yield parseLine(line)
      if (rest.length > maxLineChars) fail('BAD_ANSWER', `A line is longer than ${maxLineChars} characters.`)
    }
  } finally {
    // Also when the reader of this generator stops early: the connection must not stay open.
    await reader.cancel().catch(() => undefined)
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return fail('BAD_ANSWER', 'A line is not JSON.')
  }
}
