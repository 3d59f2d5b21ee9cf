import { concludeExit } from './exit-code.ts'
import { accountOf, expandedWords, folderOf, isTrue, keepOutput, timeoutOf } from './program.ts'
import { done, type StepKind } from './step-kind.ts'

export const runCommandLine: StepKind<'runCommandLine'> = {
  fetches: (step) => step.package !== undefined,
  async prepare(step, context) {
    const { environment } = context
    const folder = await folderOf(step, context)
    if (!folder.ok) return done(folder.problem)
    const words = expandedWords(step.commandLine, environment)
    if (!words.ok) return done(words.problem)
    return {
      kind: 'act',
      action: {
        ...{ kind: 'command', argv: words.value.argv, workingDirectory: folder.value.workingDirectory },
        timeoutMs: timeoutOf(step),
        hidden: words.value.hidden || isTrue(environment, 'OSDDoNotLogCommand'),
        ...accountOf(step),
        ...(step.secrets === undefined ? {} : { secrets: step.secrets }),
      },
    }
  },
  conclude: (step, exit, { environment }) =>
    keepOutput(step, exit, environment) ?? concludeExit(exit.exitCode, step.successCodes, environment, 'The command'),
}
