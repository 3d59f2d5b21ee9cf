/**
 * What happens at the instruction that the pointer is at: the end of a group is left, a group or step that
 * is disabled or whose condition does not hold is passed over, a group is entered, a step begins. Owns the
 * decision; a step from its beginning on is attempt.ts.
 */
import { problem } from '@sluice/protocol'
import { decide } from '../condition/condition.ts'
import { waiting } from '../debug/debug.ts'
import { debugStopped } from '../debug/debug-stops.ts'
import { bind } from '../steps/index.ts'
import { prepare } from './attempt.ts'
import { flags } from './flags.ts'
import type { GroupStart, StepInstruction } from './flatten.ts'
import type { LiveRun } from './live-run.ts'
import type { JournalEntry } from './run-state.ts'
import { endStep, passOn } from './step-finish.ts'
import { groupStart, skippedSteps } from './unwind.ts'

export async function nextInstruction(run: LiveRun): Promise<void> {
  const { pointer, openGroups } = run.state
  const instruction = run.table.instructions[pointer]
  const at = run.host.now()
  if (instruction === undefined || (pointer === run.table.cleanup && run.state.ending === undefined))
    return run.finish({ kind: 'success' }, [])
  if (instruction.kind === 'groupEnd') {
    const { name } = groupStart(run.table, instruction.start).group
    return run.move({ pointer: pointer + 1, openGroups: openGroups.slice(0, -1) }, [
      { kind: 'groupLeft', at, instruction: pointer, name, failed: false },
    ])
  }

  const node = instruction.kind === 'step' ? instruction.step : instruction.group
  const entries: JournalEntry[] = []
  let why: 'disabled' | 'condition' | undefined = node.disabled === true ? 'disabled' : undefined
  if (why === undefined && node.condition !== undefined) {
    const { result, trace, failure } = await decide(node.condition, run.state.variables, run.host)
    entries.push({ kind: 'decision', at, instruction: pointer, name: node.name, result, trace })
    if (failure !== undefined) return failUndecided(run, instruction, failure, entries)
    if (!result) why = 'condition'
  }
  if (why !== undefined) {
    const last = instruction.kind === 'step' ? pointer : instruction.end
    entries.push({ kind: 'skipped', at, instruction: pointer, name: node.name, why })
    entries.push(...skippedSteps(run.table, pointer + 1, last, why, at))
    return run.move({ pointer: last + 1 }, entries)
  }
  if (instruction.kind === 'step') return enterStep(run, instruction, entries)
  entries.push({ kind: 'groupEntered', at, instruction: pointer, name: node.name })
  await run.move({ pointer: pointer + 1, openGroups: [...openGroups, { start: pointer }] }, entries)
}

/** A step or group whose condition fails is a failed one; nothing of it is run. */
function failUndecided(
  run: LiveRun,
  of: StepInstruction | GroupStart,
  failure: string,
  entries: JournalEntry[],
): Promise<void> {
  const reason = problem('PLATFORM_NOT_SUPPORTED', `Its condition could not be decided: ${failure}.`)
  const at = run.host.now()
  const { pointer, debug, flags: started } = run.state
  if (of.kind === 'step') {
    const { name, type: stepType } = of.step
    entries.push({ kind: 'stepStarted', at, instruction: pointer, name, stepType })
    return endStep(run, { startedAt: at }, { problem: reason, final: true }, run.environment(), entries)
  }
  const stops = started.includes(flags.debugAtGroups) && of.group.continueOnError !== true
  if (!stops || !run.debugsFailures(run.environment())) return passOn(run, reason, entries, {})
  entries.push(debugStopped(run.table, run.state, at, 'failed', reason))
  return run.move({ transitions: 0, debug: waiting(debug, pointer, 'failed', reason) }, entries)
}

async function enterStep(run: LiveRun, instruction: StepInstruction, entries: JournalEntry[]): Promise<void> {
  const { step } = instruction
  const { pointer } = run.state
  const startedAt = run.host.now()
  run.enteredMs = run.host.monotonicMs()
  run.announce(instruction)
  entries.push({ kind: 'stepStarted', at: startedAt, instruction: pointer, name: step.name, stepType: step.type })
  if (!bind(step).fetches) return prepare(run, { startedAt }, entries)
  await run.move({ phase: { kind: 'preparing', bootId: run.host.bootId(), startedAt } }, entries)
}
