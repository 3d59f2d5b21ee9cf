import { ok, problem, type Result, type StepOf } from '@sluice/protocol'
import { interpreterOf } from '../run/interpreter.ts'
import { concludeExit } from './exit-code.ts'
import { accountOf, expandedWords, folderOf, isTrue, keepOutput, timeoutOf } from './program.ts'
import { done, type StepContext, type StepKind } from './step-kind.ts'

/** A script of a package, or one that stands in the sequence; its text is never expanded (configmgr-behaviour §3.4). */
export const runScript: StepKind<'runScript'> = {
  fetches: (step) => step.package !== undefined,
  async prepare(step, context) {
    const { environment, host } = context
    const folder = await folderOf(step, context)
    if (!folder.ok) return done(folder.problem)
    const { platform } = await host.facts()
    const interpreter = interpreterOf(step.interpreter ?? 'powershell', platform, step.executionPolicy)
    if (!interpreter.ok) return done(interpreter.problem)
    const parameters = parametersOf(step, context)
    if (!parameters.ok) return done(parameters.problem)
    const { words, ending } = interpreter.value
    const { content, workingDirectory } = folder.value
    let path = ''
    if (content !== undefined) {
      const inside = environment.expand(step.script ?? '')
      if (!inside.ok) return done(inside.problem)
      const relative = inside.value.value.replaceAll('\\', '/').replace(/^(\.\/)+/, '')
      if (!isInside(relative))
        return done(problem('STEP_COULD_NOT_START', `${inside.value.shown} is not a path inside the package.`))
      path = `${content}/${relative}`
    }
    return {
      kind: 'act',
      action: {
        ...{ kind: 'command', argv: [...words, path, ...parameters.value.argv], workingDirectory },
        timeoutMs: timeoutOf(step),
        // Parameters are hidden unless somebody wants to see them (configmgr-behaviour §3.11).
        hidden:
          parameters.value.hidden ||
          (step.parameters !== undefined && !isTrue(environment, 'OSDLogPowerShellParameters')),
        ...(step.source === undefined
          ? {}
          : { script: { text: step.source, name: `script${ending}`, at: words.length } }),
        ...accountOf(step),
        ...(step.secrets === undefined ? {} : { secrets: step.secrets }),
      },
    }
  },
  conclude: (step, exit, { environment }) =>
    keepOutput(step, exit, environment) ?? concludeExit(exit.exitCode, step.successCodes, environment, 'The script'),
}

const parametersOf = (
  { parameters }: StepOf<'runScript'>,
  { environment }: StepContext,
): Result<{ argv: string[]; hidden: boolean }> =>
  parameters === undefined || parameters.trim() === ''
    ? ok({ argv: [], hidden: false })
    : expandedWords(parameters, environment)

const isInside = (path: string): boolean =>
  path !== '' && !path.startsWith('/') && !/^[A-Za-z]:/.test(path) && !path.split('/').includes('..')
