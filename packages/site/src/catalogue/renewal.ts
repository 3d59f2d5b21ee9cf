/**
 * Keeps the catalogue's signatures from expiring, for as long as the site runs; says ahead what it
 * cannot renew because the key is elsewhere.
 */
import type { Log } from '../log.ts'
import type { Catalogue } from './catalogue.ts'
import { RENEWAL_INTERVAL_MS } from './roles.ts'

/**
 * Looks at once, then every half hour, so a failure leaves the timestamp 22 more tries.
 * @returns what ends it
 */
export function keepFresh(catalogue: Pick<Catalogue, 'renew' | 'info'>, log: Log): () => void {
  /** Of each role, the warning that was given last. */
  const warned = new Map<string, number | undefined>()

  async function warn(): Promise<void> {
    const { signatures } = await catalogue.info()
    for (const { role, expiresAt, warningDays } of signatures) {
      if (warningDays !== undefined && warned.get(role) !== warningDays)
        log.warn('a signature of the catalogue expires: sign it anew where its key is', {
          role,
          expiresAt,
          warningDays,
        })
      warned.set(role, warningDays)
    }
  }

  async function look(): Promise<void> {
    try {
      await catalogue.renew()
      await warn()
    } catch (error) {
      log.error('could not renew the catalogue', { error })
    }
  }

  const timer = setInterval(() => void look(), RENEWAL_INTERVAL_MS)
  timer.unref()
  void warn().catch((error: unknown) => log.error('could not look at the catalogue', { error }))
  return () => clearInterval(timer)
}
