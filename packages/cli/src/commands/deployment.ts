import {
  ContentOption,
  DEFAULT_USER_PAUSE_MS,
  type DeploymentDevice,
  DeploymentDeviceState,
  type DeploymentInfo,
  DeploymentSettings,
} from '@sluice/protocol'
import { type Command, Option } from 'commander'
import { limitOption, listPages, moreLines } from '../connect/pages.ts'
import { confirm } from '../keys/confirm.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { nameAndValue, switchOption, time, wholeNumber } from '../terminal/options.ts'
import { fields, onOff, table } from '../terminal/text.ts'

/** Lines of a deployment that somebody reads; the command `devices` has all. */
const SHOWN_DEVICES = 100

interface Choices {
  required?: boolean
  available?: string
  deadline?: string
  expires?: string
  allowInternet?: boolean
  contentOption?: ContentOption
  input?: Record<string, string>
  retryCount?: number
  retryDelay?: number
  preCache?: boolean
  lookAhead?: boolean
  userPause?: number | true
}

export function addDeploymentCommands(program: Command, session: Session): void {
  const deploy = program
    .command('deploy')
    .description('deploys a sequence to a collection')
    .argument('<sequence>', 'name or id')
    .requiredOption('--to <collection>', 'name or id')
    .option('--required', 'starts by itself at its deadline (default: available, started by the user)')
    .option('--allow-internet', 'Allow task sequence to run for client on the Internet')
  withChoices(deploy).action(async (sequence: string, options: Choices & { to: string }): Promise<void> => {
    const site = await session.site()
    const settings = settingsFrom(options, DeploymentSettings.parse({}))
    showDeployment(
      session,
      await site.call('createDeployment', { body: { sequence, collection: options.to, settings } }),
    )
  })

  const group = program.command('deployments').description('what is deployed, and how it goes')
  group
    .command('list', { isDefault: true })
    .description('lists all deployments')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const deployments = await site.call('deployments')
      session.out.result(deployments, () =>
        table(
          ['ID', 'PURPOSE', 'INTERNET', 'DEVICES', 'SUCCEEDED', 'FAILED', 'SEQUENCE', 'COLLECTION'],
          deployments.map((one) => [
            one.id,
            one.settings.purpose,
            onOff(one.settings.allowInternet),
            devicesOf(one),
            one.counts.succeeded ?? 0,
            one.counts.failed ?? 0,
            one.sequenceName,
            one.collectionName,
          ]),
        ),
      )
    })

  group
    .command('show')
    .description('shows a deployment with its devices')
    .argument('<id>')
    .action(async (id: string): Promise<void> => {
      const site = await session.site()
      showDeployment(session, await site.call('deployment', { id }))
    })

  group
    .command('devices')
    .description('lists how a deployment stands on each device, by id')
    .argument('<id>')
    .addOption(new Option('--state <state>', 'only those').choices(DeploymentDeviceState.options))
    .addOption(limitOption())
    .action(async (id: string, { state, limit }: { state?: string; limit?: number }): Promise<void> => {
      const query: Record<string, string> = state === undefined ? {} : { state }
      const listed = await listPages(await session.site(), session.out, 'deploymentDevices', { id, query, limit })
      session.out.result(listed.items, () => [...deviceTable(listed.items), ...moreLines(listed)])
    })

  const change = group
    .command('change')
    .description('changes settings of a deployment; what is not named stays')
    .argument('<id>')
    .addOption(switchOption('--required', 'starts by itself at its deadline'))
    .addOption(switchOption('--allow-internet', 'Allow task sequence to run for client on the Internet'))
  withChoices(change).action(async (id: string, options: Choices): Promise<void> => {
    const site = await session.site()
    const { settings } = await site.call('deployment', { id })
    showDeployment(session, await site.call('changeDeployment', { id, body: settingsFrom(options, settings) }))
  })

  group
    .command('cancel')
    .description('ends the run that a device is in, when its present step has ended')
    .argument('<id>')
    .requiredOption('--device <device>', 'host name or id')
    .action(async (id: string, { device }: { device: string }): Promise<void> => {
      const site = await session.site()
      for (const { id: deviceId } of await site.devices([device]))
        showDeployment(session, await site.call('cancelRun', { id, body: { deviceId } }))
    })

  for (const [command, paused, description] of [
    ['pause', true, 'lets the run that a device is in rest before its next step'],
    ['continue', false, 'lets a run that was paused go on'],
  ] as const)
    group
      .command(command)
      .description(description)
      .argument('<id>')
      .requiredOption('--device <device>', 'host name or id')
      .action(async (id: string, { device }: { device: string }): Promise<void> => {
        const site = await session.site()
        for (const { id: deviceId } of await site.devices([device]))
          showDeployment(session, await site.call('pauseRun', { id, body: { deviceId, paused } }))
      })

  group
    .command('approve')
    .description('agrees to a deployment that somebody else made to many devices')
    .argument('<id>')
    .option('--yes', 'do not ask')
    .action(async (id: string, options: { yes?: boolean }): Promise<void> => {
      const site = await session.site()
      const one = await site.call('deployment', { id })
      if (one.approval === undefined) return failLocally(`${id} needs no approval.`)
      const { digest, devices } = one.approval
      await confirm(session, options, `${one.sequenceName} runs on ${devices} devices of ${one.collectionName}`)
      showDeployment(session, await site.call('approveDeployment', { id, body: { digest } }))
    })

  group
    .command('delete')
    .description('ends a deployment; runs that have started go on')
    .argument('<id>')
    .action(async (id: string): Promise<void> => {
      const site = await session.site()
      await site.call('deleteDeployment', { id })
      session.out.result({ deleted: id }, () => [`Deleted ${id}.`])
    })
}

const withChoices = (command: Command): Command =>
  command
    .addOption(new Option('--content-option <when>', 'when content is fetched').choices(ContentOption.options))
    .option('--available <time>', 'from when it can be started', time)
    .option('--deadline <time>', 'when a required deployment starts by itself', time)
    .option('--expires <time>', 'after which it is not started any more', time)
    .option('--input <name=value>', 'value of an input of the sequence; can be given again', nameAndValue)
    .addOption(switchOption('--pre-cache', 'Pre-download content for this task sequence'))
    .addOption(switchOption('--look-ahead', 'while a step runs, fetch what the next ones will surely need'))
    .option('--user-pause [minutes]', 'let users pause their runs, so long in all (240); 0: not', wholeNumber(0, 1440))
    .option('--retry-count <count>', 'how often the content of a step is tried again', wholeNumber(0, 1000))
    .option('--retry-delay <seconds>', 'between two tries', wholeNumber(0, 3600))

/** @param before what holds where nothing was chosen */
function settingsFrom(chosen: Choices, before: DeploymentSettings): DeploymentSettings {
  const { required, allowInternet, contentOption, available, deadline, expires, input, retryCount, retryDelay } = chosen
  const { preCache, lookAhead, userPause } = chosen
  return {
    ...before,
    ...(required === undefined ? {} : { purpose: required ? 'required' : 'available' }),
    ...(allowInternet === undefined ? {} : { allowInternet }),
    ...(contentOption === undefined ? {} : { contentOption }),
    ...(preCache === undefined ? {} : { preCache }),
    ...(lookAhead === undefined ? {} : { lookAhead }),
    ...(userPause === undefined
      ? {}
      : { userPauseMs: userPause === true ? DEFAULT_USER_PAUSE_MS : userPause * 60_000 }),
    ...(available === undefined ? {} : { availableAt: available }),
    ...(deadline === undefined ? {} : { deadlineAt: deadline }),
    ...(expires === undefined ? {} : { expiresAt: expires }),
    ...(input === undefined ? {} : { inputs: { ...before.inputs, ...input } }),
    ...(retryCount === undefined ? {} : { downloadRetryCount: retryCount }),
    ...(retryDelay === undefined ? {} : { downloadRetryDelayMs: retryDelay * 1000 }),
  }
}

function showDeployment(session: Session, one: DeploymentInfo): void {
  const { settings } = one
  session.out.result(one, () => [
    ...fields([
      ['Deployment', one.id],
      ['Sequence', `${one.sequenceName} (${one.sequenceId})`],
      ['Collection', `${one.collectionName} (${one.collectionId})`],
      ['Purpose', settings.purpose],
      ['Allow task sequence to run for client on the Internet', onOff(settings.allowInternet)],
      ['Content', settings.contentOption],
      ['Pre-download content', onOff(settings.preCache)],
      ['Look ahead', onOff(settings.lookAhead)],
      ['Users may pause', settings.userPauseMs === 0 ? 'no' : `${settings.userPauseMs / 60_000} minutes`],
      ['Available from', settings.availableAt],
      [
        'Deadline',
        settings.deadlineAt ?? (settings.purpose === 'required' ? 'none: nothing starts by itself' : undefined),
      ],
      ['Expires', settings.expiresAt],
      [
        'Inputs',
        Object.entries(settings.inputs)
          .map((input) => input.join('='))
          .join(', '),
      ],
      [
        'Content of a step is tried again',
        `${settings.downloadRetryCount} times, every ${settings.downloadRetryDelayMs / 1000} s`,
      ],
    ]),
    ...approvalLines(one),
    ...one.internetRefusals.map(
      (refusal) => `Not for devices on the internet: ${refusal.title}. ${refusal.detail} (${refusal.code})`,
    ),
    ...deviceTable(one.devices.slice(0, SHOWN_DEVICES)),
    ...(devicesOf(one) > SHOWN_DEVICES
      ? [`… and ${devicesOf(one) - SHOWN_DEVICES} more: \`sluice deployments devices ${one.id}\`.`]
      : []),
  ])
}

const devicesOf = ({ counts }: DeploymentInfo): number => Object.values(counts).reduce((sum, count) => sum + count, 0)

const deviceTable = (devices: DeploymentDevice[]): string[] =>
  table(
    ['DEVICE', 'STATE', 'DETAIL'],
    devices.map(({ deviceId, state, cancelOrdered, pauseOrdered, userPausedUntil, refusals, report }) => [
      deviceId,
      cancelOrdered === true
        ? 'cancelling'
        : pauseOrdered === true
          ? 'paused'
          : userPausedUntil === undefined
            ? state
            : 'paused by its user',
      (userPausedUntil === undefined ? undefined : `until ${userPausedUntil} at the latest`) ??
        refusals[0]?.code ??
        (report?.problem === undefined ? '' : `${report.failedStep ?? ''}: ${report.problem.detail}`),
    ]),
  )

function approvalLines({ id, approval }: DeploymentInfo): string[] {
  if (approval === undefined) return []
  const { state, devices, author = 'somebody', approvedBy = '' } = approval
  return state === 'approved'
    ? [`Approved by ${approvedBy}, for ${devices} devices.`]
    : [
        `Waiting for approval: ${devices} devices. Made by ${author}; another administrator runs \`sluice deployments approve ${id}\`.`,
      ]
}
