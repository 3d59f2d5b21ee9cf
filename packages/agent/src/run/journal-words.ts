/** What a journal entry says to others: a line of `smsts.log`, and a status message for the site. */
import type { InstructionTable, JournalEntry } from '@sluice/engine'
import type { DeploymentId, RunId, StatusEvent } from '@sluice/protocol'
import type { LogEntry } from './cmtrace-log.ts'

/** In the words of the original, which people search for (configmgr-behaviour §7.7, task-sequence-xml §8). */
export function logLine(entry: JournalEntry, table: Pick<InstructionTable, 'instructions'>): LogEntry {
  const say = (text: string, level: LogEntry['level'] = 'info'): LogEntry => ({ text, component: 'TSManager', level })
  switch (entry.kind) {
    case 'runStarted':
      return say('Task sequence execution engine started.')
    case 'groupEntered':
      return say(`Start executing an instruction. Instruction name: '${entry.name}'. Pointer: '${entry.instruction}'`)
    case 'groupLeft':
      return entry.failed
        ? say(`The execution of the group (${entry.name}) has failed and the execution has been aborted.`, 'warning')
        : say(`Successfully completed the group (${entry.name}).`)
    case 'skipped':
      return say(`The execution of ${named(entry, table)} has been skipped: ${skipReasons[entry.why]}.`)
    case 'decision':
      return say(`The condition of ${named(entry, table)} is ${entry.result ? 'true' : 'false'}: ${entry.trace}`)
    case 'stepStarted':
      return say(`Start executing an instruction. Instruction name: '${entry.name}'. Pointer: '${entry.instruction}'`)
    case 'stepRepeated':
      return say(
        `The action (${entry.name}) ${repeatReasons[entry.why]} (attempt ${entry.attempt}): it is run again.`,
        entry.why === 'requested' ? 'info' : 'warning',
      )
    case 'stepRetried':
      return say(
        `Failed to run the action: ${entry.name}. ${entry.problem.code}: ${entry.problem.detail} Retry ${entry.retry} follows in ${entry.delayMs / 1000} s.`,
        'warning',
      )
    case 'stepNote':
      return say(`${entry.name}: ${entry.text}`)
    case 'cleanupStarted':
      return say(`The sequence ended with ${entry.result.kind}; its steps for the end (finally) follow.`)
    case 'paused':
      return say('The sequence is paused.')
    case 'resumed':
      return say('The sequence goes on.')
    case 'debugStopped': {
      const why = entry.problem === undefined ? '' : ` ${entry.problem.code}: ${entry.problem.detail}`
      return say(`Waiting for the debugger at (${entry.name}), pointer ${entry.instruction}: ${entry.why}.${why}`)
    }
    case 'debugOrder': {
      if (entry.refused === undefined) return say(`Debugger: ${entry.text}.`)
      return say(`Debugger: ${entry.text} was refused. ${entry.refused.code}: ${entry.refused.detail}`, 'warning')
    }
    case 'contentFailed':
      return say(`Package ${entry.packageId} failed (${entry.problem.code}): ${entry.problem.detail}`, 'error')
    case 'content':
      return say(`Content of ${entry.packageId}: ${entry.fetchedBytes} bytes fetched of ${entry.neededBytes} needed.`)
    case 'stepFinished': {
      const code = entry.exitCode === undefined ? '' : ` with the exit win32 code ${entry.exitCode}`
      if (entry.problem === undefined) return say(`Successfully completed the action (${entry.name})${code}.`)
      const why = `${entry.problem.code}: ${entry.problem.title}. ${entry.problem.detail}`
      const goes = entry.outcome === 'failedContinued' ? ' The sequence goes on (continue on error).' : ''
      return say(`Failed to run the action: ${entry.name}${code}. ${why}${goes}`, 'error')
    }
    case 'variableSet':
      return say(`Set variable: ${entry.name} = ${entry.value}`)
    case 'restartRequested':
      return say(`Execution engine result code: Reboot (2). A restart of the computer is asked for. ${entry.message}`)
    case 'restarted':
      return say(`The computer was restarted (boot ${entry.bootId}).`)
    case 'runFinished':
      if (entry.result.kind === 'success')
        return say('Execution engine result code: Success (0). Task sequence execution succeeded.')
      if (entry.result.kind === 'cancelled') return say('The sequence was cancelled.', 'warning')
      return say(
        `Failed to run the last action: ${entry.result.step}. Execution of task sequence failed. ${entry.result.problem.detail} Task Sequence Engine failed! Code: enExecutionFail`,
        'error',
      )
  }
}

/** People filter the log for *the action* and *the group*. */
const named = (
  { instruction, name }: { instruction: number; name: string },
  { instructions }: Pick<InstructionTable, 'instructions'>,
): string => `the ${instructions[instruction]?.kind === 'step' ? 'action' : 'group'} (${name})`

const repeatReasons = {
  notStarted: 'had not begun',
  lost: 'ended and nobody saw how; it may be run again',
  notDone: 'had not done its work, as its probe says',
  requested: 'requested a retry',
}

export const skipReasons = {
  disabled: 'it is disabled',
  condition: 'its condition is false',
  groupFailed: 'its group failed',
}

/** Undefined for what the site need not know. The end of a run is told with its report, not here. */
export function statusEvent(
  entry: JournalEntry,
  run: { runId: RunId; deploymentId: DeploymentId },
  table: InstructionTable,
): StatusEvent | undefined {
  switch (entry.kind) {
    case 'stepStarted': {
      const { instruction, name, stepType } = entry
      return { kind: 'stepStarted', ...run, instruction, name, stepType }
    }
    case 'stepFinished': {
      const { instruction, name, stepType, outcome, ms, problem } = entry
      const why = problem === undefined ? {} : { problem }
      return { kind: 'stepFinished', ...run, instruction, name, stepType, outcome, ms, ...why }
    }
    case 'skipped': {
      const at = table.instructions[entry.instruction]
      if (at?.kind !== 'step') return undefined
      const { instruction, name } = entry
      const stepType = at.step.type
      return { kind: 'stepFinished', ...run, instruction, name, stepType, outcome: 'skipped', ms: 0 }
    }
    case 'restartRequested':
      return { kind: 'restarting', ...run, message: entry.message }
    default:
      return undefined
  }
}
