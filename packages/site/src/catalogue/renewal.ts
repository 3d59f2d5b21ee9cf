/** Keeps the catalogue's signatures from expiring, for as long as the site runs. */
import type { Log } from '../log.ts'
import type { Catalogue } from './catalogue.ts'
import { RENEWAL_INTERVAL_MS } from './roles.ts'

/**
 * Looks every half hour, so a failure leaves the timestamp 22 more tries.
 * @returns what ends it
 */
export function keepFresh(catalogue: Pick<Catalogue, 'renew'>, log: Log): () => void {
  const timer = setInterval(() => {
    catalogue.renew().catch((error: unknown) => log.error('could not renew the catalogue', { error }))
  }, RENEWAL_INTERVAL_MS)
  timer.unref()
  return () => clearInterval(timer)
}
