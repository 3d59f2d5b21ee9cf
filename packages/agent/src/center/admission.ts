/**
 * Who may talk to Software Center: pages of its own origin, and programs that have the token. Any web
 * site that the user visits can make a browser send requests to loopback; none of these may read
 * anything or change anything (SEC-70).
 *
 *   A1. The request is for this very host and port: a name that was rebound to 127.0.0.1 is not.
 *   A2. What says where it comes from comes from here: `Origin`, `Sec-Fetch-Site`.
 *   A3. The API takes the session token, in a header that no other origin may send (there is no CORS).
 *   A4. A change of state says where it comes from, as every browser does.
 */
import type { IncomingMessage } from 'node:http'
import { type Problem, problem, SESSION_HEADER } from '@sluice/protocol'
import type { Session } from './session.ts'

export interface Door {
  /** `host:port` as it must stand in the request. */
  host: string
  /** `http://host:port`. */
  origin: string
  session: Pick<Session, 'accepts'>
}

/** What every request must satisfy, also one for the page itself; undefined when it does. */
export function refuseStranger(request: IncomingMessage, door: Door): Problem | undefined {
  // A1. Node keeps the first of two Host headers; there may be only one.
  const hosts = request.rawHeaders.filter((_, index) => index % 2 === 0 && isHost(request.rawHeaders[index]))
  if (hosts.length !== 1 || request.headers.host !== door.host) return refused(`The request is not for ${door.host}.`)
  if (!request.url?.startsWith('/') || request.url.startsWith('//')) return refused('The request has no plain path.')
  // A2
  const { origin } = request.headers
  if (origin !== undefined && origin !== door.origin) return refused('The request comes from another origin.')
  const site = request.headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined
  // A link on another page may lead here: the browser then shows this page and that page sees nothing of it.
  const isNavigation =
    request.method === 'GET' &&
    request.headers['sec-fetch-mode'] === 'navigate' &&
    request.headers['sec-fetch-dest'] === 'document'
  return isNavigation ? undefined : refused('The request comes from another site.')
}

/** What the API asks for besides; undefined when the request has it. */
export function refuseIntruder(request: IncomingMessage, door: Door): Problem | undefined {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') return refused('The API is for pages of Software Center.')
  // A3
  const token = request.headers[SESSION_HEADER]
  if (!door.session.accepts(typeof token === 'string' ? token : undefined))
    return refused(`The header ${SESSION_HEADER} does not hold the token of this session.`)
  // A4
  if (request.method !== 'GET' && request.headers.origin === undefined && site === undefined)
    return refused(`The header Origin must be ${door.origin}.`)
  return undefined
}

const isHost = (name: string | undefined) => name?.toLowerCase() === 'host'
const refused = (detail: string) => problem('SESSION_REFUSED', detail)
