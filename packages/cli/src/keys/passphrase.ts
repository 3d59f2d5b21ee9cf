/** The passphrase of a key: from a file that is for this alone, or from the person at the terminal. */
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'
import type { Session } from '../run.ts'

const LEAST_CHARACTERS = 12
const MAX_FILE_BYTES = 16 * 1024

/**
 * @param twice for a new key: typed again, so that a slip does not lose it
 * @param what it opens, as the person is asked
 */
export async function passphrase(
  session: Session,
  file: string | undefined,
  twice: boolean,
  what = 'the keys',
): Promise<string> {
  const text = file === undefined ? await typed(session, twice, what) : await inFile(file)
  if (twice && text.length < LEAST_CHARACTERS)
    failLocally(`The passphrase needs at least ${LEAST_CHARACTERS} characters.`)
  return text
}

async function inFile(file: string): Promise<string> {
  return (await readLocalFile(file, MAX_FILE_BYTES)).toString('utf8').replace(/\r?\n$/, '')
}

async function typed({ askSecret, signal }: Session, twice: boolean, what: string): Promise<string> {
  if (askSecret === undefined) return failLocally('There is no terminal to ask at: give --passphrase-file.')
  const first = await askSecret(`Passphrase of ${what}: `, signal)
  if (twice && (await askSecret('Once more: ', signal)) !== first) failLocally('These were two different passphrases.')
  return first
}
