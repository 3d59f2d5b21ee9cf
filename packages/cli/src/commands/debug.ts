/** The debugger: one order by the command line, or one after the other at the terminal. */
import { setTimeout as delay } from 'node:timers/promises'
import {
  type DebugOrder,
  type DebugSession,
  type DebugState,
  type DeviceId,
  fail,
  ProblemError,
  RunId,
  readProblem,
} from '@sluice/protocol'
import type { Command } from 'commander'
import { itemsOf } from '../connect/pages.ts'
import type { Site } from '../connect/site.ts'
import { failLocally, LocalFailure } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { wholeNumber } from '../terminal/options.ts'
import { fields, printable, table } from '../terminal/text.ts'

const POLL_MS = 200

const HELP = [
  'attach                stop before the next step',
  'step                  run the next step or group, then stop again',
  'run                   go on to a breakpoint, a step that fails, or the end',
  'current <step>        set the step that comes next, by number or name',
  'break <step>          set a breakpoint; unbreak <step> takes it away, clear takes all',
  'vars [text]           show the variables whose names contain the text',
  'set <name> <value>    set a variable; without a value it is removed',
  'log                   show the end of smsts.log',
  'show                  show where the run is',
  'quit                  detach: the run goes on without a debugger',
  'cancel                end the run',
  'leave                 leave this prompt; the run stays as it is',
]

export function addDebugCommand(program: Command, session: Session): void {
  program
    .command('debug')
    .description('debugs the run that a device is in')
    .argument('<device or run>', 'host name or id of the device, or id of the run')
    .argument(
      '[order...]',
      'step, run, current, break, vars, set, log, quit …; none at a terminal: asks; -: from input',
    )
    .option('--wait <seconds>', 'how long an answer of the device is waited for', wholeNumber(0, 86_400), 60)
    .addHelpText('after', `\nOrders:\n${HELP.map((line) => `  ${line}`).join('\n')}`)
    .action(async (of: string, words: string[], { wait }: { wait: number }): Promise<void> => {
      const site = await session.site()
      const device = await deviceOf(site, of)
      const desk: Desk = { session, site, device, waitMs: wait * 1000, runId: RunId.safeParse(of).data }
      if (words.join(' ') === '-') return await obeyInput(desk)
      if (words.length > 0) return await carryOut(desk, words)
      if (session.ask === undefined) return await carryOut(desk, ['show'])
      await converse(desk, session.ask)
    })
}

interface Desk {
  session: Session
  site: Site
  device: DeviceId
  /** When it was named: no other one gets the orders. */
  runId: RunId | undefined
  waitMs: number
}

async function deviceOf(site: Site, wanted: string): Promise<DeviceId> {
  if (!RunId.safeParse(wanted).success) {
    const [device] = await site.devices([wanted])
    return device?.id ?? fail('NOT_FOUND', `There is no device ${wanted}.`)
  }
  for (const { id, counts } of await site.call('deployments'))
    if (counts.running !== undefined)
      for await (const { deviceId, runId } of itemsOf(site, 'deploymentDevices', { id, query: { state: 'running' } }))
        if (runId === wanted) return deviceId
  return fail('NOT_FOUND', `No run ${wanted} goes on.`)
}

/** One order a line; the first that does not work ends it. */
async function obeyInput(desk: Desk): Promise<void> {
  for (const line of (await desk.session.input()).split('\n')) {
    const words = line.trim().split(/\s+/)
    if (words[0] === 'leave' || words[0] === 'exit') return
    if (words[0] !== '') await carryOut(desk, words)
  }
}

async function converse(desk: Desk, ask: NonNullable<Session['ask']>): Promise<void> {
  await carryOut(desk, ['attach'])
  for (;;) {
    const line = await ask('debug> ', desk.session.signal).catch((error: unknown) => {
      // The end of the input: the terminal is gone, or the person wants to.
      if (error instanceof LocalFailure) return 'leave'
      throw error
    })
    const words = line.trim().split(/\s+/)
    if (words[0] === 'leave' || words[0] === 'exit') return
    if (words[0] === '') continue
    try {
      await carryOut(desk, words)
      if (words[0] === 'quit' || words[0] === 'cancel') return
    } catch (error) {
      if (error instanceof LocalFailure) desk.session.out.localFailure(error.message)
      else if (error instanceof ProblemError && error.problem.code !== 'NOT_FOUND')
        desk.session.out.problem(error.problem)
      else throw error
    }
  }
}

async function carryOut(desk: Desk, [word = '', ...rest]: string[]): Promise<void> {
  const { session, site, device } = desk
  const { out } = session
  const [first = ''] = rest
  const say = (one: DebugSession | undefined, lines: (state: DebugState, of: DebugSession) => string[] = stateLines) =>
    out.result(one ?? { ended: true }, () => {
      if (one === undefined) return ['The run has ended.']
      return one.state === undefined ? ['The device has not answered yet.'] : lines(one.state, one)
    })
  switch (word) {
    case 'help':
    case '?':
      return out.result(HELP, () => HELP)
    case 'show':
      return say(await order(desk, { kind: 'look', log: false }))
    case 'attach':
    case 'step':
    case 'run':
    case 'quit':
      return say(await order(desk, { kind: word }))
    case 'clear':
      return say(await order(desk, { kind: 'clearBreaks' }))
    case 'current':
      return say(await order(desk, { kind: 'setCurrent', instruction: await stepOf(desk, rest.join(' ')) }))
    case 'break':
    case 'unbreak': {
      const instruction = await stepOf(desk, rest.join(' '))
      return say(await order(desk, { kind: 'setBreak', instruction, on: word === 'break' }))
    }
    case 'set': {
      const value = rest.slice(1).join(' ')
      if (first === '') failLocally('Which variable?')
      const isIt = (name: string) => name.toLowerCase() === first.toLowerCase()
      return say(await order(desk, { kind: 'setVariable', name: first, value }), (state) =>
        variableLines(state, isIt).concat(value === '' ? [`${first} is removed.`] : []),
      )
    }
    case 'vars': {
      const text = first.toLowerCase()
      const has = (name: string) => name.toLowerCase().includes(text)
      return say(await order(desk, { kind: 'look', log: false }), (state) => variableLines(state, has))
    }
    case 'log':
      return say(await order(desk, { kind: 'look', log: true }), ({ log = '' }) => logLines(log))
    case 'cancel': {
      const { deploymentId } = await site.call('debugSession', { id: device })
      const ended = await site.call('cancelRun', { id: deploymentId, body: { deviceId: device } })
      return out.result(ended, () => ['The run ends.'])
    }
    default:
      return failLocally(`There is no order ${word}. Orders: ${HELP.map((line) => line.split(' ')[0]).join(', ')}.`)
  }
}

/**
 * Gives an order and waits until the device has counted it, and stands still again where that comes soon.
 * @returns undefined when the run has ended. Throws why the order was refused.
 */
async function order(desk: Desk, given: DebugOrder): Promise<DebugSession | undefined> {
  const { session, site, device, runId } = desk
  const body = { order: given, ...(runId === undefined ? {} : { runId }) }
  const { order: n, runId: of } = await site.call('debugRun', { id: device, body })
  const deadline = performance.now() + desk.waitMs
  for (;;) {
    const now = await current(site, device)
    if (now === undefined || now.runId !== of) return undefined
    const { state } = now
    if (state !== undefined && state.order >= n) {
      if (state.order === n && state.refused !== undefined) throw new ProblemError(readProblem(state.refused, 409))
      if (given.kind !== 'step' || state.mode !== 'stepping') return now
    }
    if (performance.now() >= deadline) return { ...now, state: undefined }
    await delay(POLL_MS, undefined, { signal: session.signal })
  }
}

async function current(site: Site, device: DeviceId): Promise<DebugSession | undefined> {
  try {
    return await site.call('debugSession', { id: device })
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** By number, or by a name that one of the steps around the present one has. */
async function stepOf(desk: Desk, wanted: string): Promise<number> {
  if (/^\d{1,6}$/.test(wanted)) return Number(wanted)
  const steps = (await current(desk.site, desk.device))?.state?.steps ?? []
  const [step, another] = steps.filter(({ name }) => name === wanted)
  if (step === undefined) return failLocally(`There is no step ${wanted} in what is shown. Give its number.`)
  if (another !== undefined) return failLocally(`Several steps are called ${wanted}. Give the number.`)
  return step.instruction
}

const modes = {
  waiting: 'stands still',
  stepping: 'runs one step',
  running: 'goes on',
  detached: 'goes on without a debugger',
} as const

const reasons = {
  started: 'it begins in the debugger',
  attached: 'the debugger was attached',
  stepped: 'the step has ended',
  breakpoint: 'a breakpoint',
  failed: 'the step failed',
  moved: 'the step was set',
} as const

function stateLines(state: DebugState, of: DebugSession): string[] {
  const { mode, why, problem, pointer, breaks } = state
  const steps = state.steps.map(({ instruction, name, depth, kind, disabled }) => [
    `${instruction === pointer ? '>' : ' '}${breaks.includes(instruction) ? '*' : ' '}`,
    instruction,
    `${'  '.repeat(depth)}${kind === 'group' ? `[${name}]` : name}${disabled === true ? ' (disabled)' : ''}`,
  ])
  return [
    ...fields([
      ['Run', of.runId],
      ['State', why === undefined || mode !== 'waiting' ? modes[mode] : `${modes[mode]}: ${reasons[why]}`],
      ['Failure', problem === undefined ? undefined : `${problem.code}: ${problem.detail}`],
    ]),
    ...(steps.length === 0 ? [] : table(['', 'N', 'STEP'], steps)),
  ]
}

function variableLines(state: DebugState, wanted: (name: string) => boolean): string[] {
  const shown = state.variables
    .filter(({ name }) => wanted(name))
    .map(({ name, value }) => printable(`${name} = ${value}`))
  return state.variablesLeftOut === 0 ? shown : [...shown, `(${state.variablesLeftOut} more found no room)`]
}

/** The texts of CMTrace lines, with their times. */
function logLines(log: string): string[] {
  const records = [...log.matchAll(/<!\[LOG\[([\s\S]*?)\]LOG\]!><time="([\d:]{8})/g)]
  return records.map(([, text = '', time = '']) => printable(`${time}  ${text}`))
}
