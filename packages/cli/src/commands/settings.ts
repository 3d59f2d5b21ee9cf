import type { ClientSettings } from '@sluice/protocol'
import type { Command } from 'commander'
import { switchOption, wholeNumber } from '../options.ts'
import type { Session } from '../run.ts'
import { fields, onOff } from '../text.ts'

interface Choices {
  enableGateway?: boolean
  allowCloudDistributionPoint?: boolean
  pollingInterval?: number
  offlineStart?: number
}

const GATEWAY = 'Enable clients to use a cloud management gateway'
const CLOUD = 'Allow access to cloud distribution point'

export function addSettingsCommands(program: Command, session: Session): void {
  const group = program.command('settings').description('client settings, for all devices of the site')

  group
    .command('show', { isDefault: true })
    .description('shows the client settings')
    .action(async (): Promise<void> => {
      const site = await session.site()
      showSettings(session, await site.call('clientSettings'))
    })

  group
    .command('set')
    .description('changes client settings; what is not named stays')
    .addOption(switchOption('--enable-gateway', GATEWAY))
    .addOption(switchOption('--allow-cloud-distribution-point', CLOUD))
    .option('--polling-interval <seconds>', 'how often devices ask for policy', wholeNumber(1, 86_400))
    .option('--offline-start <hours>', 'how long after the last policy new runs may start', wholeNumber(0, 720))
    .action(async (chosen: Choices): Promise<void> => {
      const site = await session.site()
      const before = await site.call('clientSettings')
      const after: ClientSettings = {
        ...before,
        cloudServices: {
          enableGateway: chosen.enableGateway ?? before.cloudServices.enableGateway,
          allowCloudDistributionPoint:
            chosen.allowCloudDistributionPoint ?? before.cloudServices.allowCloudDistributionPoint,
        },
        ...(chosen.pollingInterval === undefined
          ? {}
          : { clientPolicy: { ...before.clientPolicy, pollingIntervalMs: chosen.pollingInterval * 1000 } }),
        ...(chosen.offlineStart === undefined ? {} : { offlineStartMs: chosen.offlineStart * 3600_000 }),
      }
      showSettings(session, await site.call('setClientSettings', { body: after }))
    })
}

const showSettings = (session: Session, one: ClientSettings): void =>
  session.out.result(one, () =>
    fields([
      [GATEWAY, onOff(one.cloudServices.enableGateway)],
      [CLOUD, onOff(one.cloudServices.allowCloudDistributionPoint)],
      ['Policy polling interval', `${one.clientPolicy.pollingIntervalMs / 1000} s`],
      ['Starts without fresh policy', `${one.offlineStartMs / 3600_000} h`],
    ]),
  )
