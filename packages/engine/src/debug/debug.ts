/**
 * The debugger of a run (configmgr-behaviour §3.14), as far as the engine has a part in it: what is
 * durable of it, what an order changes, and what is shown. When a run stops is in `debug-stops.ts`; whether the
 * order may be given at all, and how it came, is the caller's business.
 *
 * B1. An order changes state only by a commit that also counts it: obeyed once, whatever crashes.
 * B2. Orders are taken between two instructions of the main part, never while a step acts.
 * B3. Variables: the rules of `Environment.set`. Hidden values are neither shown nor set.
 */
import {
  type DebugOrder,
  type DebugReason,
  type DebugState,
  debugBounds,
  failed,
  ok,
  type Problem,
  problem,
  type Result,
} from '@sluice/protocol'
import { groupsAround, type InstructionTable } from '../run/flatten.ts'
import type { JournalEntry, RunState } from '../run/run-state.ts'
import { Environment, lookUp, MASK, type Variables } from '../run/variables.ts'

/** Durable with the run: breakpoints outlive every restart. */
export interface RunDebug {
  mode: DebugState['mode']
  /** Where the last order found the run: `step` and `run` do not stop there at once. */
  from: number
  breaks: number[]
  /** The last order that was counted. */
  order: number
  why?: DebugReason
  problem?: Problem
  refused?: Problem
}

const none: RunDebug = { mode: 'detached', from: 0, breaks: [], order: 0 }
const MAX_BREAKS = debugBounds.breaks

/** `TSDebugMode`, `TSDebugOnError`: set, and neither *false* nor *0*. */
export function isSwitchedOn(variables: Variables, name: 'TSDebugMode' | 'TSDebugOnError'): boolean {
  const value = lookUp(variables, name)?.value.trim().toLowerCase()
  return value === 'true' || value === 'yes' || value === '1'
}

/** The run stands still from now on. */
export const waiting = (debug: RunDebug | undefined, at: number, why: DebugReason, reason?: Problem): RunDebug => {
  const { breaks, order } = debug ?? none
  return { mode: 'waiting', from: at, breaks, order, why, ...(reason === undefined ? {} : { problem: reason }) }
}

/** Why the run shall stop before the instruction at `pointer`; undefined: it need not. */
export function stopsAt(debug: RunDebug | undefined, pointer: number): DebugReason | undefined {
  if (debug === undefined || debug.mode === 'detached' || pointer === debug.from) return undefined
  if (debug.breaks.includes(pointer)) return 'breakpoint'
  return debug.mode === 'stepping' ? 'stepped' : undefined
}

/**
 * What an order makes of a run between two instructions. To be committed whole; a refusal too (B1).
 * @param n number of the order @param at for the journal, in milliseconds since 1970
 */
export function obey(
  table: InstructionTable,
  state: RunState,
  { n, order, at }: { n: number; order: DebugOrder; at: number },
): { state: RunState; entries: JournalEntry[] } {
  const { refused: _, ...before } = state.debug ?? none
  const counted: RunDebug = { ...before, order: n }
  const made = effect(table, { ...state, debug: counted }, counted, order, at)
  const entry: JournalEntry = { kind: 'debugOrder', at, instruction: state.pointer, n, text: orderText(order) }
  if (made.ok) return { state: { ...made.value.state, transitions: 0 }, entries: [entry, ...made.value.entries] }
  return refuseOrder(state, { n, text: orderText(order), problem: made.problem, at })
}

/** Counts an order without obeying it. */
export function refuseOrder(
  state: RunState,
  { n, text, problem: refused, at }: { n: number; text: string; problem: Problem; at: number },
): { state: RunState; entries: JournalEntry[] } {
  return {
    state: { ...state, debug: { ...(state.debug ?? none), order: n, refused } },
    entries: [{ kind: 'debugOrder', at, instruction: state.pointer, n, text, refused }],
  }
}

type Effect = { state: RunState; entries: JournalEntry[] }

function effect(
  table: InstructionTable,
  state: RunState,
  debug: RunDebug,
  order: DebugOrder,
  at: number,
): Result<Effect> {
  const { pointer } = state
  const become = (next: RunDebug, more: Partial<RunState> = {}, entries: JournalEntry[] = []): Result<Effect> =>
    ok({ state: { ...state, ...more, debug: next }, entries })
  switch (order.kind) {
    case 'attach':
      return debug.mode === 'waiting' ? become(debug) : become(waiting(debug, pointer, 'attached', debug.problem))
    case 'look':
      return become(debug)
    case 'quit':
      // A failure that was held passes on.
      return become({
        ...{ ...none, order: debug.order },
        ...(debug.mode === 'waiting' && debug.problem !== undefined ? { problem: debug.problem } : {}),
      })
    case 'clearBreaks':
      return become({ ...debug, breaks: [] })
    case 'setBreak':
      return setBreak(table, debug, order, become)
  }
  if (debug.mode !== 'waiting') return refuse('The run does not stand still.')
  switch (order.kind) {
    case 'step':
      return become({ mode: 'stepping', from: pointer, breaks: debug.breaks, order: debug.order })
    case 'run':
      return become({ mode: 'running', from: pointer, breaks: debug.breaks, order: debug.order })
    case 'setCurrent': {
      if (!isMainPart(table, order.instruction)) return refuse(noSuch(order.instruction))
      const openGroups = groupsAround(table, order.instruction).map((start) => ({ start }))
      const next = waiting(debug, order.instruction, 'moved')
      return become(next, { pointer: order.instruction, openGroups })
    }
    case 'setVariable': {
      const { name, value } = order
      if (lookUp(state.variables, name)?.hidden === true)
        return refuse(`${name} is hidden: an order travels in policy, which carries no secret.`)
      const environment = new Environment(state.variables, () => at)
      const refused = environment.set(name, value)
      if (refused !== undefined) return failed(refused)
      return become(debug, { variables: environment.variables }, environment.changes)
    }
  }
}

const refuse = (detail: string): Result<never> => failed(problem('DEBUG_REFUSED', detail))
const noSuch = (instruction: number) => `Instruction ${instruction} is no step or group of the main part.`

function setBreak(
  table: InstructionTable,
  debug: RunDebug,
  { instruction, on }: { instruction: number; on: boolean },
  become: (next: RunDebug) => Result<Effect>,
): Result<Effect> {
  if (!isMainPart(table, instruction)) return refuse(noSuch(instruction))
  const others = debug.breaks.filter((one) => one !== instruction)
  if (!on) return become({ ...debug, breaks: others })
  if (others.length >= MAX_BREAKS) return refuse(`There are ${MAX_BREAKS} breakpoints.`)
  const mode = debug.mode === 'detached' ? 'running' : debug.mode
  return become({ ...debug, mode, breaks: [...others, instruction].sort((a, b) => a - b) })
}

/** A step or the start of a group that the pointer may be set to. */
function isMainPart(table: InstructionTable, instruction: number): boolean {
  const kind = table.instructions[instruction]?.kind
  return (kind === 'step' || kind === 'groupStart') && instruction < (table.cleanup ?? table.instructions.length)
}

/** For the journal. Values of variables are told by their own entry. */
function orderText(order: DebugOrder): string {
  switch (order.kind) {
    case 'setCurrent':
      return `set current ${order.instruction}`
    case 'setBreak':
      return `${order.on ? 'set' : 'clear'} break ${order.instruction}`
    case 'clearBreaks':
      return 'clear all breaks'
    case 'setVariable':
      return `set variable ${order.name}`
    default:
      return order.kind
  }
}

/** What is shown of a run; bounded whatever the run holds (`debugBounds`). */
export function debugState(table: InstructionTable, state: RunState): DebugState {
  const { mode, why, breaks, order, problem: reason, refused } = state.debug ?? none
  const { pointer } = state
  return {
    ...{ v: 1, order, mode, pointer, breaks, instructions: table.instructions.length },
    ...(why === undefined ? {} : { why }),
    ...(reason === undefined ? {} : { problem: reason }),
    ...(refused === undefined ? {} : { refused }),
    steps: stepsAround(table, pointer),
    ...variablesShown(state.variables),
  }
}

function stepsAround(table: InstructionTable, pointer: number): DebugState['steps'] {
  const from = Math.max(0, pointer - debugBounds.stepsBefore)
  const steps: DebugState['steps'] = []
  let depth = groupsAround(table, from).length
  for (let at = from; at <= pointer + debugBounds.stepsAfter; at++) {
    const instruction = table.instructions[at]
    if (instruction === undefined) break
    if (instruction.kind === 'groupEnd') depth--
    else {
      const node = instruction.kind === 'step' ? instruction.step : instruction.group
      const kind = instruction.kind === 'step' ? 'step' : 'group'
      const disabled = node.disabled === true ? { disabled: true as const } : {}
      steps.push({ instruction: at, kind, depth, name: node.name.slice(0, 100), ...disabled })
      if (kind === 'group') depth++
    }
  }
  return steps
}

/** A value may hold a hidden one; shorter ones than this are no secrets. */
const SHORTEST_MASKED = 3

function variablesShown(variables: Variables): Pick<DebugState, 'variables' | 'variablesLeftOut'> {
  const all = Object.values(variables).sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
  const secrets = all
    .filter(({ hidden, value }) => hidden && value.length >= SHORTEST_MASKED)
    .map(({ value }) => value)
    .sort((a, b) => b.length - a.length)
  const shown: DebugState['variables'] = []
  let text = 0
  for (const { name, value, hidden } of all) {
    const told = hidden ? MASK : secrets.reduce((left, secret) => left.replaceAll(secret, MASK), value).slice(0, 4_000)
    text += name.length + told.length
    if (text > debugBounds.variableText || shown.length >= debugBounds.variables) break
    shown.push({ name, value: told, hidden })
  }
  return { variables: shown, variablesLeftOut: all.length - shown.length }
}
