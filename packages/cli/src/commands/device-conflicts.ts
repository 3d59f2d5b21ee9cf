/** Devices that the site cannot tell apart by itself: computers that come again, and copies. */
import type { ConflictResolution, ConflictRule } from '@sluice/protocol'
import { Argument, type Command, Option } from 'commander'
import { itemsOf, limitOption, listPages, moreLines } from '../connect/pages.ts'
import type { Session } from '../run.ts'
import { fields, table } from '../terminal/text.ts'

export function addConflictCommands(group: Command, session: Session): void {
  group
    .command('conflicts')
    .description('lists computers that came again and copies; shows or changes what happens to the former')
    .addOption(
      new Option('--rule <what>', 'ask you; take the record over; make another device').choices([
        ...(['ask', 'merge', 'new'] as const),
      ]),
    )
    .addOption(limitOption())
    .action(async ({ rule, limit }: Partial<ConflictRule> & { limit?: number }): Promise<void> => {
      const site = await session.site()
      if (rule !== undefined) {
        const set = await site.call('setConflictRule', { body: { rule } })
        session.out.result(set, () => fields([['Rule', set.rule]]))
        return
      }
      const conflicts = await listPages(site, session.out, 'deviceConflicts', { limit })
      session.out.result(conflicts.items, () => [
        ...table(
          ['DEVICE', 'NAME', 'KIND', 'OTHER', 'SINCE', 'WHY'],
          conflicts.items.map((one) => [
            one.deviceId,
            one.name,
            one.kind,
            one.other?.deviceId ?? '',
            one.since,
            one.detail,
          ]),
        ),
        ...moreLines(conflicts),
      ])
    })

  group
    .command('resolve')
    .description('says what a conflict is: the same computer, another device, or one to shut out for good')
    .argument('<device>', 'id, as `sluice devices conflicts` lists it, or host name')
    .addArgument(new Argument('<resolution>', 'what it is').choices([...(['merge', 'new', 'block'] as const)]))
    .action(async (wanted: string, resolution: ConflictResolution): Promise<void> => {
      const site = await session.site()
      const open = await Array.fromAsync(itemsOf(site, 'deviceConflicts'))
      const listed = open.filter(({ deviceId, name }) => deviceId === wanted || name === wanted)
      const [one] = listed
      const id = one !== undefined && listed.length === 1 ? one.deviceId : wanted
      const answer = await site.call('resolveDeviceConflict', { id, body: { resolution } })
      session.out.result(answer, () => [`The device is ${answer.deviceId}.`])
    })
}
