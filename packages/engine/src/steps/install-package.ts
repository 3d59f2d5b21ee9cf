import { failed, ok, problem, type Result, type StepOf } from '@sluice/protocol'
import { concludeExit } from './exit-code.ts'
import { numberedValues } from './numbered-variables.ts'
import { expandedWords, isTrue, timeoutOf } from './program.ts'
import { type Conclusion, done, type StepContext, type StepKind } from './step-kind.ts'

type Step = StepOf<'installPackage'>

/** Programs of packages, one part each (configmgr-behaviour §3.4). A list without a first entry installs nothing. */
export const installPackage: StepKind<'installPackage'> = {
  fetches: () => true,
  async prepare(step, context) {
    const chosen = programsOf(step, context)
    if (!chosen.ok) return done(chosen.problem)
    const program = chosen.value[context.part]
    if (program === undefined) return done()
    const { environment, note } = context
    const fail = (conclusion: Conclusion): { kind: 'done' } & Conclusion => ({
      kind: 'done',
      ...goingOn(step, conclusion, context, chosen.value.length),
    })
    note(`Installing ${program.package}:${program.program} (${context.part + 1} of ${chosen.value.length})`)
    const content = await context.acquire(program.package)
    if (!content.ok) return fail({ problem: content.problem })
    if (program.commandLine === undefined)
      return done(problem('STEP_COULD_NOT_START', `Nobody said how ${program.program} is run.`))
    const words = expandedWords(program.commandLine, environment)
    if (!words.ok) return fail({ problem: words.problem })
    return {
      kind: 'act',
      action: {
        ...{ kind: 'command', argv: words.value.argv, workingDirectory: content.value.folder },
        timeoutMs: timeoutOf(step),
        hidden: words.value.hidden || isTrue(environment, 'OSDDoNotLogCommand'),
      },
    }
  },
  conclude(step, { exitCode }, context) {
    const chosen = programsOf(step, context)
    const count = chosen.ok ? chosen.value.length : 0
    const program = chosen.ok ? chosen.value[context.part] : undefined
    const what = program === undefined ? 'The program' : `${program.package}:${program.program}`
    return goingOn(step, concludeExit(exitCode, program?.successCodes, context.environment, what), context, count)
  },
}

/** Behind a failure with *continue*, and behind a success, comes the next program, as long as there is one. */
function goingOn(step: Step, end: Conclusion, context: StepContext, count: number): Conclusion {
  const isLast = context.part + 1 >= count
  if (end.problem === undefined) return isLast ? end : { ...end, next: context.part + 1 }
  if (step.continueOnInstallError !== true) return end
  context.note(`Going on without it: ${end.problem.detail}`)
  return isLast ? {} : { next: context.part + 1 }
}

function programsOf(step: Step, { environment }: StepContext): Result<Step['programs']> {
  if (step.listVariable === undefined) return ok(step.programs)
  const chosen: Step['programs'] = []
  for (const value of numberedValues(step.listVariable, 3, environment)) {
    const program = step.programs.find((one) => `${one.package}:${one.program}` === value)
    if (program === undefined) {
      const detail = `${step.listVariable} names "${value.slice(0, 100)}", which is not among the programs of the step.`
      return failed(problem('CANDIDATE_NOT_DECLARED', detail))
    }
    chosen.push(program)
  }
  return ok(chosen)
}
