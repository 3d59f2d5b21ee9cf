/** `sluice package delete` and `collect`: what nobody needs any more goes. */
import type { PackageId } from '@sluice/protocol'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { packageId, versionNumber } from '../terminal/options.ts'
import { fields, formatBytes } from '../terminal/text.ts'

export function addDeletion(group: Command, session: Session): void {
  group
    .command('delete')
    .description('deletes a package or one version; refused while a deployment or a task sequence needs it')
    .argument('<id>', 'package id', packageId)
    .option('--version <number>', 'this version only', versionNumber)
    .option('--force', 'also while task sequences that are deployed nowhere refer to it')
    .action(async (id: PackageId, options: { version?: number; force?: boolean }): Promise<void> => {
      const site = await session.site()
      const { version, force = false } = options
      const result = await site.call('deletePackage', { id, body: { ...(version && { version }), force } })
      session.out.result(result, () => [
        `Deleted ${id}: ${result.deleted.length === 0 ? 'it had no version' : `version ${result.deleted.join(', ')}`}.`,
        ...(result.newest > 0 ? [`The newest version is ${result.newest}.`] : []),
        ...(result.deleted.length > 0 ? ['What devices may still be fetching stays until they are done.'] : []),
      ])
    })

  group
    .command('collect')
    .description('collects garbage now, which the site does once a day by itself')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const report = await site.call('collectContent')
      session.out.result(report, () =>
        fields([
          ['Deleted versions gone', report.versions],
          [
            'Packs rewritten now',
            `${report.rewrittenPacks} (${formatBytes(report.rewrittenBytes)}, ${formatBytes(report.copiedBytes)} of them copied)`,
          ],
          ['Versions moving to other packs', report.movingVersions],
          ['Waiting for', report.latePoints.length === 0 ? undefined : report.latePoints.join(', ')],
          ['Objects condemned now', report.condemnedObjects],
          ['Objects deleted now', `${report.deletedObjects} (${formatBytes(report.deletedBytes)})`],
          ['Objects still to be deleted', `${report.waitingObjects} (${formatBytes(report.waitingBytes)})`],
        ]),
      )
    })
}
