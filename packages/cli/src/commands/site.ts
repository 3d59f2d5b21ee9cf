import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { fields } from '../terminal/text.ts'

export function addSiteCommand(program: Command, session: Session): void {
  program
    .command('site')
    .description('shows which site this is')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const info = await site.call('site')
      session.out.result(info, () =>
        fields([
          ['Site', info.siteId],
          ['Name', info.name],
          ['Version', info.version],
          ['Database', info.database],
          [
            'Catalogue',
            info.catalogueMode === 'online'
              ? 'online: the release keys are on the site, which releases what it imports'
              : 'offline: releases are signed elsewhere',
          ],
        ]),
      )
    })
}
