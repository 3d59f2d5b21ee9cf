import { type ClientSettings, MeteredInternetSettings, TimeOfDay, Weekday } from '@sluice/protocol'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Session } from '../run.ts'
import { switchOption, wholeNumber } from '../terminal/options.ts'
import { fields, onOff } from '../terminal/text.ts'

const MiB = 1024 * 1024
const HOUR_MS = 3600_000
/** What `none` stands for: the parser of an option must give something. */
const NO_RATE = 0

/** One client setting: how it is given, and how it is shown. */
interface Setting {
  label: string
  option: Option
  show: (settings: ClientSettings) => string
  /** @param value as the option's parser gives it */
  put: (settings: ClientSettings, value: never) => void
}

/** Of one group of the settings. */
function settingsOf<
  G extends 'cloudServices' | 'clientPolicy' | 'computerAgent' | 'clientCache' | 'contentTransfer' | 'meteredInternet',
>(group: G) {
  type Group = ClientSettings[G]
  return <T>(
    label: string,
    option: (label: string) => Option,
    show: (one: Group) => string,
    put: (one: Group, value: T) => void,
  ): Setting => ({
    label,
    option: option(label),
    show: (settings) => show(settings[group]),
    put: (settings, value) => put(settings[group], value as T),
  })
}

const on = (flags: string) => (label: string) => switchOption(flags, label)
const number = (flags: string, least: number, most: number) => (label: string) =>
  new Option(flags, label).argParser(wholeNumber(least, most))
const text = (flags: string, parse: (given: string) => unknown) => (label: string) =>
  new Option(flags, label).argParser(parse)

const cloud = settingsOf('cloudServices')
const policy = settingsOf('clientPolicy')
const computer = settingsOf('computerAgent')
const cache = settingsOf('clientCache')
const transfer = settingsOf('contentTransfer')
const metered = settingsOf('meteredInternet')

const settings: readonly Setting[] = [
  cloud<boolean>(
    'Enable clients to use a cloud management gateway',
    on('--enable-gateway'),
    (one) => onOff(one.enableGateway),
    (one, value) => (one.enableGateway = value),
  ),
  cloud<boolean>(
    'Allow access to cloud distribution point',
    on('--allow-cloud-distribution-point'),
    (one) => onOff(one.allowCloudDistributionPoint),
    (one, value) => (one.allowCloudDistributionPoint = value),
  ),
  policy<number>(
    'Policy polling interval',
    number('--polling-interval <seconds>', 1, 86_400),
    (one) => `${one.pollingIntervalMs / 1000} s`,
    (one, value) => (one.pollingIntervalMs = value * 1000),
  ),
  {
    label: 'Starts without fresh policy',
    option: number('--offline-start <hours>', 0, 720)('how long after the last policy new runs may start'),
    show: (all) => `${all.offlineStartMs / HOUR_MS} h`,
    put: (all, value) => {
      all.offlineStartMs = value * HOUR_MS
    },
  },
  computer<string>(
    'Organization name displayed in Software Center',
    text('--organization <name>', (given) => given.trim()),
    (one) => one.organizationName ?? 'what each agent is configured with',
    (one, value) => {
      if (value === '') delete one.organizationName
      else one.organizationName = value
    },
  ),
  cache<number>(
    'Maximum cache size (megabytes)',
    number('--cache-size <megabytes>', 1, 1024 * 1024 * 1024),
    (one) => `${Math.round(one.maxBytes / MiB)} MiB`,
    (one, value) => (one.maxBytes = value * MiB),
  ),
  cache<number>(
    'Maximum cache size (percentage of disk)',
    number('--cache-percent <percent>', 1, 100),
    (one) => `${one.maxPercent} %`,
    (one, value) => (one.maxPercent = value),
  ),
  cache<number>(
    'Minimum duration before cached content can be removed',
    number('--cache-minimum-age <minutes>', 0, 10_080),
    (one) => `${one.minimumAgeMs / 60_000} min`,
    (one, value) => (one.minimumAgeMs = value * 60_000),
  ),
  transfer<boolean>(
    'Limit the maximum network bandwidth',
    on('--limit-bandwidth'),
    (one) => onOff(one.limitBandwidth),
    (one, value) => (one.limitBandwidth = value),
  ),
  transfer<string>(
    'Throttling window start time',
    text('--window-start <time>', timeOfDay),
    (one) => one.windowStart,
    (one, value) => (one.windowStart = value),
  ),
  transfer<string>(
    'Throttling window end time',
    text('--window-end <time>', timeOfDay),
    (one) => one.windowEnd,
    (one, value) => (one.windowEnd = value),
  ),
  transfer<Weekday[]>(
    'Throttling window days',
    text('--window-days <days>', weekdays),
    (one) => one.windowDays.join(','),
    (one, value) => (one.windowDays = value),
  ),
  transfer<number>(
    'Maximum transfer rate during throttling window',
    number('--inside-rate <kbps>', 64, 10_000_000),
    (one) => `${one.insideKbps} Kbps`,
    (one, value) => (one.insideKbps = value),
  ),
  transfer<boolean>(
    'Allow downloads outside the throttling window',
    on('--allow-outside'),
    (one) => onOff(one.allowOutside),
    (one, value) => (one.allowOutside = value),
  ),
  transfer<number>(
    'Maximum transfer rate outside the throttling window',
    text('--outside-rate <kbps>', (given) => (given === 'none' ? NO_RATE : wholeNumber(64, 10_000_000)(given))),
    (one) => (one.outsideKbps === undefined ? 'none: as fast as the line' : `${one.outsideKbps} Kbps`),
    (one, value) => {
      if (value === NO_RATE) delete one.outsideKbps
      else one.outsideKbps = value
    },
  ),
  metered<MeteredInternetSettings['use']>(
    'Client communication on metered internet connections',
    (label) => new Option('--metered <use>', label).choices(MeteredInternetSettings.shape.use.unwrap().options),
    (one) => one.use,
    (one, value) => (one.use = value),
  ),
  metered<number>(
    'Content over metered connections, with limit',
    number('--metered-budget <megabytes>', 0, 1024 * 1024 * 1024),
    (one) => `${Math.round(one.budgetBytes / MiB)} MiB`,
    (one, value) => (one.budgetBytes = value * MiB),
  ),
  metered<MeteredInternetSettings['budgetPer']>(
    'Budget for each',
    (label) =>
      new Option('--metered-per <period>', label).choices(MeteredInternetSettings.shape.budgetPer.unwrap().options),
    (one) => one.budgetPer,
    (one, value) => (one.budgetPer = value),
  ),
]

export function addSettingsCommands(program: Command, session: Session): void {
  const group = program.command('settings').description('client settings, for all devices of the site')

  group
    .command('show', { isDefault: true })
    .description('shows the client settings')
    .action(async (): Promise<void> => {
      const site = await session.site()
      showSettings(session, await site.call('clientSettings'))
    })

  const set = group.command('set').description('changes client settings; what is not named stays')
  for (const { option } of settings) set.addOption(option)
  set.action(async (chosen: Record<string, unknown>): Promise<void> => {
    const site = await session.site()
    const after = structuredClone(await site.call('clientSettings'))
    for (const { option, put } of settings) {
      const name = option.attributeName()
      if (Object.hasOwn(chosen, name)) put(after, chosen[name] as never)
    }
    showSettings(session, await site.call('setClientSettings', { body: after }))
  })
  addApprovalCommand(group, session)
}

function addApprovalCommand(group: Command, session: Session): void {
  group
    .command('approvals')
    .description('from how many devices on a deployment needs a second person; a looser rule needs two as well')
    .option('--above <devices>', 'deployments to more devices than this', wholeNumber(0, 1_000_000))
    .option('--off', 'none does')
    .action(async ({ above, off }: { above?: number; off?: boolean }): Promise<void> => {
      const site = await session.site()
      const rule =
        above === undefined && off !== true
          ? await site.call('approvalRule')
          : await site.call('setApprovalRule', { body: { aboveDevices: above ?? null } })
      const text = (bound: number | null) =>
        bound === null
          ? 'no deployment needs a second person'
          : `deployments to more than ${bound} devices need a second person`
      session.out.result(rule, () => [
        `Approvals: ${text(rule.aboveDevices)}.`,
        ...(rule.proposed === undefined
          ? []
          : [
              `${rule.proposed.by} asks for: ${text(rule.proposed.aboveDevices)}. It counts when another administrator asks for the same.`,
            ]),
      ])
    })
}

const showSettings = (session: Session, one: ClientSettings): void =>
  session.out.result(one, () => fields(settings.map(({ label, show }) => [label, show(one)])))

function timeOfDay(given: string): string {
  if (!TimeOfDay.safeParse(given).success) throw new InvalidArgumentError('Give a time such as 09:00.')
  return given
}

function weekdays(given: string): Weekday[] {
  const parsed = Weekday.array().safeParse(given.split(',').filter((day) => day !== ''))
  if (!parsed.success) throw new InvalidArgumentError('Give days such as mon,tue,fri.')
  return Weekday.options.filter((day) => parsed.data.includes(day))
}
