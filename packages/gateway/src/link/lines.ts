/** Reads lines of JSON as they come in, none longer than a bound. */

/** @throws when a line is too long; the caller gives the stream up */
export async function* readLines(stream: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<string> {
  let parts: Uint8Array[] = []
  let held = 0
  for await (const chunk of stream) {
    let rest = chunk
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      parts.push(rest.subarray(0, end))
      if (held + end > maxLineBytes) throw new Error(`a line is longer than ${maxLineBytes} bytes`)
      yield Buffer.concat(parts).toString('utf8')
      parts = []
      held = 0
      rest = rest.subarray(end + 1)
    }
    parts.push(rest)
    held += rest.length
    if (held > maxLineBytes) throw new Error(`a line is longer than ${maxLineBytes} bytes`)
  }
  if (held > 0) yield Buffer.concat(parts).toString('utf8')
}
