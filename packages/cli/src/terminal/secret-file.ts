/** A secret that is read from a file: it stands in no command line and in no history. */
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'

const MAX_SECRET_BYTES = 16 * 1024

/** The text of a file, without the line end that editors put there. */
export async function secretFile(file: string): Promise<string> {
  const text = (await readLocalFile(file, MAX_SECRET_BYTES)).toString('utf8').trim()
  return text === '' ? failLocally(`${file} is empty.`) : text
}
