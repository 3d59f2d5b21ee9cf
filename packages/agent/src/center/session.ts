/**
 * The session token of Software Center: 256 random bits, made once for the agent's state, so that an
 * open page goes on after the agent was restarted in the middle of a run. Its user gets it as an
 * address in a file that nobody else can read; it travels in a header, never in a cookie (SEC-70).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import { writeDurable } from '../state/durable-file.ts'
import type { Settings } from '../state/settings.ts'

export interface Session {
  /** Compares in constant time. */
  accepts(token: string | undefined): boolean
  /** Writes `software-center.json`: the address of the page, with the token in its fragment. */
  publish(stateFolder: string, origin: string): Promise<void>
}

const SETTING = 'softwareCenterToken'
/** Beside the state; read by whoever opens the page for the user. */
export const ADDRESS_FILE = 'software-center.json'

export function openSession(settings: Settings): Session {
  let token = settings.get(SETTING)
  if (token === undefined) {
    token = randomBytes(32).toString('base64url')
    settings.set(SETTING, token)
  }
  const known = token
  return {
    accepts: (given) => given !== undefined && timingSafeEqual(digest(given), digest(known)),
    publish: (stateFolder, origin) =>
      writeDurable(join(stateFolder, ADDRESS_FILE), `${JSON.stringify({ url: `${origin}/#token=${known}` })}\n`),
  }
}

/** Equal lengths for the comparison. */
const digest = (text: string) => createHash('sha256').update(text).digest()
