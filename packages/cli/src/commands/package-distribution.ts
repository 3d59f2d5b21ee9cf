/** `sluice package distribute` and what follows: where a package is, and how well. */
import { type DistributionPointId, fail, type PackageId, type PackageInfo } from '@sluice/protocol'
import type { Command } from 'commander'
import type { PointNames } from '../connect/site.ts'
import type { Session } from '../run.ts'
import { packageId } from '../terminal/options.ts'
import { waitForDistribution } from '../terminal/wait.ts'
import { showPackage } from './package-view.ts'

export function addDistribution(group: Command, session: Session): void {
  group
    .command('distribute')
    .description('sends a package to gateways that serve content, and to cloud distribution points')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--to <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .option('--wait', 'until it is there')
    .action(async (id: PackageId, options: { to: string[]; wait?: boolean }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.to)
      let sent = await site.call('distributePackage', { id, body: { to } })
      if (options.wait === true) [sent = sent] = await waitForDistribution(session, [sent], points)
      await showPackage(session, sent)
    })

  group
    .command('validate')
    .alias('redistribute')
    .description('has what lies at distribution points read and hashed, and mends what is wrong')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--at <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .option('--wait', 'until it is done')
    .action(async (id: PackageId, options: { at: string[]; wait?: boolean }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.at)
      const { distribution } = await site.call('package', { id })
      const missing = points.filter((point) => !distribution.some(({ pointId }) => pointId === point))
      if (missing.length > 0)
        fail('NOT_FOUND', `${id} is not distributed to ${named(missing, await site.pointNames())}.`)
      let now = await site.call('validateDistribution', { id, body: { at: to } })
      if (options.wait === true) [now = now] = await waitForDistribution(session, [now], points, 'Validating')
      await showPackage(session, now)
    })

  group
    .command('cancel')
    .description('ends a distribution that is under way')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--at <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .action(async (id: PackageId, options: { at: string[] }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.at)
      const { distribution } = await site.call('package', { id })
      const underWay = ({ pointId, state }: PackageInfo['distribution'][number]) =>
        points.includes(pointId) && state !== 'installed' && state !== 'removing'
      if (!distribution.some(underWay)) session.out.note(`Nothing was under way at ${options.at.join(', ')}.`)
      await showPackage(session, await site.call('cancelDistribution', { id, body: { at: to } }))
    })

  group
    .command('remove')
    .description('takes a package away from distribution points; refused while a deployment needs it')
    .argument('<id>', 'package id', packageId)
    .requiredOption('--from <point...>', 'names or ids of gateways, cloud distribution points and groups')
    .option('--force', 'also while a deployment needs it')
    .action(async (id: PackageId, options: { from: string[]; force?: boolean }): Promise<void> => {
      const site = await session.site()
      const { to, points } = await site.targets(options.from)
      const { distribution } = await site.call('package', { id })
      if (!distribution.some(({ pointId }) => points.includes(pointId)))
        session.out.note(`${id} was not at ${options.from.join(', ')}.`)
      const body = { from: to, force: options.force === true }
      await showPackage(session, await site.call('removeDistribution', { id, body }))
    })
}

const named = (points: readonly DistributionPointId[], names: PointNames): string =>
  points.map((id) => names.get(id) ?? id).join(', ')
