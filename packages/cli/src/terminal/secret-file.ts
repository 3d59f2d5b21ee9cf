/** A secret that is read from a file: it stands in no command line and in no history. */
import { readFile } from 'node:fs/promises'
import { failLocally } from '../local-failure.ts'

const MAX_SECRET_BYTES = 16 * 1024

/** The text of a file, without the line end that editors put there. */
export async function secretFile(file: string): Promise<string> {
  const bytes = await readFile(file)
  if (bytes.length > MAX_SECRET_BYTES) failLocally(`${file} is longer than ${MAX_SECRET_BYTES} bytes.`)
  const text = bytes.toString('utf8').trim()
  return text === '' ? failLocally(`${file} is empty.`) : text
}
