import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'

/** Has the person at the terminal say yes. @param what the sentence that is asked about, without its end */
export async function confirm({ ask, signal }: Session, { yes }: { yes?: boolean }, what: string): Promise<void> {
  if (yes === true) return
  if (ask === undefined) return failLocally('There is nobody to ask: give --yes.')
  if ((await ask(`${what}. Go on? (yes/no) `, signal)).trim() !== 'yes') failLocally('Nothing was signed.')
}
