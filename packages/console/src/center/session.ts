/**
 * The session token of the page. It arrives once, in the fragment of the address that the agent
 * gives to the signed-in user (`#token=…`): a fragment is never sent to a server. It is moved to
 * the storage of this tab at once and leaves the address bar and the history (SEC-70).
 */

const STORED = 'sluice-session'
const MAX_TOKEN_LENGTH = 512

/** What is used of the browser, so that a test can give its own. */
export interface SessionPlace {
  location: { hash: string; pathname: string; search: string }
  history: { replaceState(data: unknown, unused: string, url: string): void }
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
}

/** Takes a token out of the address, if one is there, and says which token to use. */
export function takeSession(place: SessionPlace): string | undefined {
  const { location, history, storage } = place
  const given = tokenInFragment(location.hash)
  if (given !== undefined) {
    history.replaceState(null, '', location.pathname + location.search)
    storage.setItem(STORED, given)
  }
  return given ?? storage.getItem(STORED) ?? undefined
}

/** The agent no longer accepts the token: nothing of it stays behind. */
export function forgetSession(place: SessionPlace): void {
  place.storage.removeItem(STORED)
}

/** The token in a fragment such as `#token=abc`; undefined where there is none that could be one. */
export function tokenInFragment(hash: string): string | undefined {
  const token = new URLSearchParams(hash.replace(/^#/, '')).get('token')
  if (token === null || token.length > MAX_TOKEN_LENGTH || !/^[\w.~+/=-]+$/.test(token)) return undefined
  return token
}
