/**
 * The command of a step as words for the runner. A command is split into words first and expanded
 * afterwards, each word by itself: a value can never become two arguments or a piece of shell language.
 */
import { failed, ok, type PackageChoice, type Result } from '@sluice/protocol'
import type { Action } from '../host.ts'
import { splitCommandLine } from '../run/command-words.ts'
import type { Environment, Expanded } from '../run/variables.ts'
import type { Conclusion, StepContext } from './step-kind.ts'

export type Command = Extract<Action, { kind: 'command' }>

/** What every step that runs a program says about it. */
export interface RunningFields {
  package?: PackageChoice | undefined
  files?: string[] | undefined
  startIn?: string | undefined
  timeoutMinutes?: number | undefined
  outputTo?: string | undefined
  runAs?: { account: string; secret?: string | undefined } | undefined
}

/** Characters of output that a variable takes (configmgr-behaviour §3.4). */
const OUTPUT_LENGTH = 1_000

/** The words of a command line with their values, and whether a hidden one is among them. */
export function expandedWords(text: string, environment: Environment): Result<{ argv: string[]; hidden: boolean }> {
  const words = splitCommandLine(text)
  if (!words.ok) return words
  const expanded: Expanded[] = []
  for (const word of words.value) {
    const one = environment.expand(word)
    if (!one.ok) return one
    expanded.push(one.value)
  }
  return ok({ argv: expanded.map(({ value }) => value), hidden: expanded.some(({ hidden }) => hidden) })
}

/** The folder that a step begins in: of its package, unless it says another. */
export async function folderOf(
  step: RunningFields,
  { choose, acquire, environment }: StepContext,
): Promise<Result<{ content: string | undefined; workingDirectory: string | undefined }>> {
  let content: string | undefined
  if (step.package !== undefined) {
    const chosen = choose(step.package)
    if (!chosen.ok) return chosen
    const acquired = await acquire(chosen.value, step.files)
    if (!acquired.ok) return acquired
    content = acquired.value.folder
  }
  const startIn = step.startIn ?? environment.get('WorkingDirectory')
  if (startIn === undefined) return ok({ content, workingDirectory: content })
  const expanded = environment.expand(startIn)
  return expanded.ok ? ok({ content, workingDirectory: expanded.value.value }) : failed(expanded.problem)
}

/** The account of an action. */
export const accountOf = ({ runAs }: RunningFields): Pick<Command, 'account' | 'accountSecret'> => ({
  ...(runAs === undefined ? {} : { account: runAs.account }),
  ...(runAs?.secret === undefined ? {} : { accountSecret: runAs.secret }),
})

export const timeoutOf = ({ timeoutMinutes }: { timeoutMinutes?: number | undefined }): number | undefined =>
  timeoutMinutes === undefined ? undefined : timeoutMinutes * 60_000

export const isTrue = (environment: Environment, name: string): boolean =>
  environment.get(name)?.toLowerCase() === 'true'

/** *Output to task sequence variable*. */
export function keepOutput(
  { outputTo }: RunningFields,
  { exitCode, output }: { exitCode: number; output: string },
  environment: Environment,
): Conclusion | undefined {
  if (outputTo === undefined) return undefined
  const refused = environment.set(outputTo, output.trimEnd().slice(-OUTPUT_LENGTH))
  return refused === undefined ? undefined : { exitCode, problem: refused }
}
