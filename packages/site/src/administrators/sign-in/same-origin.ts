/**
 * Whether a request comes from a page of this host, or from no page at all. Browsers say where a
 * request comes from (Fetch Metadata, `Origin`); programs say nothing, and have no cookie either.
 */
export function isSameOrigin({ headers }: Request): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin') return false
  const origin = headers.get('origin')
  return origin === null || origin === `https://${headers.get('host')}`
}
