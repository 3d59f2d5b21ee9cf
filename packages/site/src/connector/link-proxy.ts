/**
 * The proxy between the site and its gateways. Where it is stands in the configuration; name and password are
 * in the vault, replaced while the site runs, and used from the next dial on.
 */
import { readFile, rm, stat } from 'node:fs/promises'
import { fail, LinkProxyCredentials, type ProxySettings } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import type { Credentials } from '../secrets/credentials.ts'
import type { LinkProxy } from './proxy-tunnel.ts'

export interface LinkProxySettings {
  /** Undefined: gateways are dialled directly. */
  current(): Promise<LinkProxy | undefined>
  /** `name:password`. `CONFLICT` when the configuration names no proxy. */
  set(credentials: string): Promise<void>
  forget(): Promise<void>
}

/**
 * A file that the configuration still names is taken into the vault and deleted. One that could not be deleted, and
 * is older than what the vault has, says nothing: its credentials were rotated.
 * @throws ProblemError `CONFIGURATION_INVALID` when it holds something else
 */
export async function openLinkProxy(options: {
  settings: ProxySettings | undefined
  db: Kysely<Database>
  credentials: Credentials
  log: Log
}): Promise<LinkProxySettings> {
  const { settings, db, credentials, log } = options
  if (settings?.credentialsFile !== undefined) await adopt(settings.credentialsFile)

  async function adopt(file: string): Promise<void> {
    const text = await readFile(file, 'utf8').catch(async (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' && (await credentials.get('linkProxy')) !== undefined) return undefined
      return fail('CONFIGURATION_INVALID', `linkProxy: ${cause.message}`)
    })
    if (text === undefined) return
    const read = LinkProxyCredentials.shape.credentials.safeParse(text.trim())
    if (!read.success) fail('CONFIGURATION_INVALID', `linkProxy: ${file} does not hold one line name:password.`)
    // What cannot be opened any more does not count.
    const kept = await credentials.get('linkProxy').catch(() => undefined)
    if (kept === undefined || kept.changedAt < (await stat(file)).mtimeMs)
      await credentials.set(db, 'linkProxy', read.data)
    await rm(file).then(
      () => log.info('the credentials of the proxy are in the vault now', { file }),
      (error: unknown) => log.warn('the credentials of the proxy are in the vault; delete their file', { file, error }),
    )
  }

  return {
    async current() {
      if (settings === undefined) return undefined
      const { hostname, port } = new URL(settings.url)
      const kept = await credentials.get('linkProxy')
      return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 80), credentials: kept?.text }
    },
    async set(text) {
      if (settings === undefined) fail('CONFLICT', 'The configuration of the site names no proxy (linkProxy).')
      await credentials.set(db, 'linkProxy', text)
    },
    forget: () => credentials.delete(db, 'linkProxy'),
  }
}
