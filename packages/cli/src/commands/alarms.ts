import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { table } from '../terminal/text.ts'

export function addAlarmCommand(program: Command, session: Session): void {
  program
    .command('alarms')
    .description('shows what to look at: gateways without a link, thresholds, and what expires')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const alarms = await site.call('alarms')
      session.out.result(alarms, () =>
        table(
          ['SEVERITY', 'WHAT', 'OF', 'WHY'],
          alarms.map(({ severity, kind, subject, text }) => [severity, kind, subject, text]),
        ),
      )
    })
}
