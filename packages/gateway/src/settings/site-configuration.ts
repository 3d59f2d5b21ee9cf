/**
 * What the site last told this gateway, kept so that a gateway that restarts without a site still
 * admits devices, knows whom not to admit, and serves content for a while.
 *
 * 1. What arrives is in force before it is durable: a revocation never waits for a disk.
 * 2. Content is served while the link is up, and for `unlinkedContentMs` after the site was last
 *    heard of; a restart does not start that time anew.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '@sluice/content'
import { GatewayConfiguration, type GatewayId, type Problem, problem, type Sha256, type SiteId } from '@sluice/protocol'
import { z } from 'zod'
import { type Log, reason } from '../log.ts'

const KeptConfiguration = z.object({ v: z.literal(1), configuration: GatewayConfiguration })
const KeptContact = z.object({ v: z.literal(1), heardAt: z.int().nonnegative() })

/** The time of the last contact is written this often while the link is up. */
const CONTACT_INTERVAL_MS = 60_000
const RETRY_MS = 5_000

export interface SiteConfiguration {
  /** Undefined until the site was heard of for the first time. */
  current(): GatewayConfiguration | undefined
  /** The authorities of `current()`; the same array until they change. */
  authorities(): readonly X509Certificate[]
  isRevoked(certificate: Sha256): boolean
  /**
   * Why no content is served now; undefined when it is.
   * @param by `addresses`: nothing but addresses of cloud storage is given out, whatever this gateway itself serves
   */
  contentRefusal(by?: 'bytes' | 'addresses'): Problem | undefined
  /** The site spoke. */
  heard(): void
  /** @returns why it is not for this gateway, and not taken */
  replace(configuration: GatewayConfiguration): string | undefined
  revoke(certificates: readonly Sha256[]): void
  linkChanged(up: boolean): void
  /** Tells what comes into force from now on. */
  watch(watcher: ConfigurationWatcher): void
  /** Writes what is not yet durable. */
  flush(): Promise<void>
}

export interface ConfigurationWatcher {
  /** Certificates that were not revoked before. */
  onRevoked: (certificates: Sha256[]) => void
  onReplaced: (configuration: GatewayConfiguration) => void
}

export interface SiteConfigurationOptions {
  folder: string
  gatewayId: GatewayId
  siteId: SiteId
  now: () => number
  log: Log
}

export async function openSiteConfiguration(options: SiteConfigurationOptions): Promise<SiteConfiguration> {
  const { now, log } = options
  const files = {
    configuration: join(options.folder, 'configuration.json'),
    contact: join(options.folder, 'contact.json'),
  }
  const kept = await readKept(files.configuration, KeptConfiguration, log)
  let configuration: GatewayConfiguration | undefined
  let authorities: X509Certificate[] = []
  let revoked = new Set<Sha256>()
  let heardAt = (await readKept(files.contact, KeptContact, log))?.heardAt ?? 0
  let heardAtKept = heardAt
  let linked = false
  let watcher: ConfigurationWatcher | undefined
  let writing: Promise<void> = Promise.resolve()

  function keep(file: string, content: () => unknown): void {
    writing = writing.then(async () => {
      try {
        await writeFileAtomic(file, JSON.stringify(content()))
      } catch (thrown) {
        log.error('configuration.not-kept', { reason: reason(thrown) })
        setTimeout(() => keep(file, content), RETRY_MS).unref()
      }
    })
  }
  const keepConfiguration = () => keep(files.configuration, () => ({ v: 1, configuration }))
  const keepContact = () => {
    heardAtKept = heardAt
    keep(files.contact, () => ({ v: 1, heardAt }))
  }

  function enforce(next: GatewayConfiguration): void {
    if (configuration?.deviceAuthorities !== next.deviceAuthorities)
      authorities = certificatesOf(next.deviceAuthorities)
    configuration = next
    const before = revoked
    revoked = new Set(next.revokedCertificates)
    const added = next.revokedCertificates.filter((hash) => !before.has(hash))
    if (added.length > 0) watcher?.onRevoked(added)
  }

  /** @returns why it is not taken */
  function take(next: GatewayConfiguration): string | undefined {
    if (next.gatewayId !== options.gatewayId || next.siteId !== options.siteId)
      return `it is for ${next.gatewayId} of ${next.siteId}`
    try {
      enforce(next)
      return undefined
    } catch (thrown) {
      return reason(thrown)
    }
  }

  const why = kept === undefined ? undefined : take(kept.configuration)
  if (why !== undefined) log.warn('configuration.not-taken', { reason: why })

  return {
    current: () => configuration,
    authorities: () => authorities,
    isRevoked: (certificate) => revoked.has(certificate),
    contentRefusal(by = 'bytes') {
      if (configuration === undefined) return problem('SITE_UNREACHABLE', 'This gateway has not heard of its site yet.')
      if (by === 'bytes' && !configuration.serveContent)
        return problem('GATEWAY_CONTENT_DISABLED', `Gateway ${configuration.name}: content is switched off.`)
      if (linked || now() - heardAt <= configuration.unlinkedContentMs) return undefined // 2
      return problem('SITE_UNREACHABLE', 'Without a link for too long to go on serving content.', {
        retryAfterMs: CONTACT_INTERVAL_MS,
      })
    },
    heard() {
      heardAt = now()
      if (Math.abs(heardAt - heardAtKept) >= CONTACT_INTERVAL_MS) keepContact()
    },
    replace(next) {
      const why = take(next) // 1
      if (why !== undefined) return why
      keepConfiguration()
      watcher?.onReplaced(next)
      return undefined
    },
    revoke(certificates) {
      if (configuration === undefined) return
      enforce({ ...configuration, revokedCertificates: [...new Set([...revoked, ...certificates])] }) // 1
      keepConfiguration()
    },
    linkChanged(up) {
      if (linked && !up) keepContact()
      linked = up
    },
    watch(next) {
      watcher = next
    },
    async flush() {
      await writing
    },
  }
}

async function readKept<S extends z.ZodType>(file: string, schema: S, log: Log): Promise<z.output<S> | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (thrown) {
    const missing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT'
    if (!missing) log.warn('data.unreadable', { file, reason: reason(thrown) })
    return undefined
  }
}

/** @throws when a certificate of the text cannot be read */
function certificatesOf(pem: string): X509Certificate[] {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return texts.map((text) => new X509Certificate(text))
}
