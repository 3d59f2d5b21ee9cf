/** The keys of a site, where they are, and what expires. */
import type { CatalogueInfo } from '@sluice/protocol'
import type { Session } from '../run.ts'
import { table } from '../terminal/text.ts'

export function showCatalogue(session: Session, info: CatalogueInfo): void {
  session.out.result(info, () => [
    info.mode === 'online'
      ? 'Online mode: the root and release keys are on the site. Whoever controls the site decides what devices run.'
      : 'Offline mode: root and release keys are not on the site.',
    ...(info.rootThreshold === 1
      ? []
      : [`${info.rootThreshold} of ${rootCount(info)} root keys must sign a new root.`]),
    ...(info.waiting === 0 ? [] : [`Waiting for release: ${info.waiting}. See \`sluice release list\`.`]),
    '',
    ...table(
      ['KEY', 'WHERE', 'ID'],
      info.keys.map(({ role, onSite, keyid }) => [role, onSite ? 'on the site' : 'elsewhere', keyid]),
    ),
    '',
    ...table(
      ['SIGNED', 'VERSION', 'EXPIRES'],
      info.signatures.map(({ role, version, expiresAt, warningDays }) => [
        role,
        version,
        warningDays === undefined ? expiresAt : `${expiresAt}: within ${warningDays} days, ${remedy(role)}`,
      ]),
    ),
  ])
}

const rootCount = ({ keys }: CatalogueInfo): number => keys.filter(({ role }) => role === 'root').length

const remedy = (role: string): string =>
  role === 'root' ? 'run `sluice keys rotate root`' : 'run `sluice release sign`'
