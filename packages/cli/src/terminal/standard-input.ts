/** Standard input as text, bounded. */
import { failLocally } from '../local-failure.ts'

const MAX_BYTES = 64 * 1024

export async function readStandardInput(input: AsyncIterable<Buffer | string>): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of input) {
    const bytes = Buffer.from(part)
    length += bytes.length
    if (length > MAX_BYTES) failLocally(`Standard input is longer than ${MAX_BYTES / 1024} KiB.`)
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString('utf8')
}
