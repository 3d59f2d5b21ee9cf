/** The state of keys and signatures, for administrators: whose they are, and what will expire. */
import {
  type CatalogueInfo,
  type CatalogueLife,
  type CatalogueSignature,
  EXPIRY_WARNING_DAYS,
  type SiteId,
} from '@sluice/protocol'
import { timestamp } from '../clock.ts'
import type { Db } from '../db/database.ts'
import type { Keyring } from '../keys/keyring.ts'
import { policyKey } from './metadata.ts'
import { newestRoot, presentFiles } from './publication.ts'
import { readRoot } from './trusted-root.ts'

const DAY = 24 * 3600_000

/** @param now milliseconds since 1970 */
export async function catalogueInfo(db: Db, siteId: SiteId, keyring: Keyring, now: number): Promise<CatalogueInfo> {
  const bytes = await newestRoot(db)
  if (bytes === undefined) throw new Error('the catalogue has no root')
  const root = readRoot(bytes)
  const first = new Map<CatalogueLife, { version: number; expiresAt: number }>()
  for (const [role, file] of await presentFiles(db)) {
    const life = role.startsWith('bin-') ? 'targets' : (role as CatalogueLife)
    const known = first.get(life)
    if (known === undefined || file.expiresAt < known.expiresAt) first.set(life, file)
  }
  const { waiting } = await db
    .selectFrom('catalogue_drafts')
    .select((eb) => eb.fn.countAll<number | string>().as('waiting'))
    .executeTakeFirstOrThrow()
  return {
    siteId,
    mode: root.mode,
    signatures: [...first].map(([role, { version, expiresAt }]) => {
      const warningDays = expiryWarning(expiresAt, now)
      const end: CatalogueSignature = { role, version, expiresAt: timestamp(expiresAt) }
      // What the site signs itself is shorter lived than this, and renewed in time.
      return (role === 'root' || role === 'targets') && warningDays !== undefined ? { ...end, warningDays } : end
    }),
    keys: (['root', 'release', 'snapshot', 'timestamp', 'policy'] as const).flatMap((role) =>
      root.keyids[role].map((keyid) => {
        const next = keyring.next(role)
        return {
          role,
          keyid: keyid as CatalogueInfo['keys'][number]['keyid'],
          onSite: keyring[role]?.keyid === keyid,
          ...(next === undefined ? {} : { next: policyKey(next) }),
        }
      }),
    ),
    rootThreshold: root.metadata.signed.roles.root?.threshold ?? 1,
    waiting: Number(waiting),
  }
}

/** 30, 14 or 3 when no more days than that are left; undefined before. */
export function expiryWarning(expiresAt: number, now: number): number | undefined {
  return EXPIRY_WARNING_DAYS.find((days) => expiresAt - now <= days * DAY)
}
