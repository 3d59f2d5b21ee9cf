/** Runs the program of a step in a job object, by `SluiceStep`: when that ends, all of the step has ended. */
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import type { ProcessIdentity } from '../session.ts'
import { commandLineOf, isBatchFile } from './command-line.ts'
import { orderText, readEnd, type StepEnd } from './order.ts'
import { jobOf, missingStepProgram, stepProgram } from './step-program.ts'

/** What a program ends with that was ended by its job. */
const ENDED = 1

/** @param at.resultPath is written by SluiceStep and gone afterwards */
export async function runInJob(
  argv: readonly string[],
  at: {
    runner: ProcessIdentity
    folder: string | undefined
    environment: Record<string, string>
    /** Whom the program runs as; absent: who runs the agent. */
    account: string | undefined
    password: string | undefined
    input: string | undefined
    output: number
    errors: number
    resultPath: string
  },
): Promise<StepEnd> {
  const [program = ''] = argv
  if (isBatchFile(program))
    return { detail: `${program} is for the command interpreter: begin the command line with "cmd.exe /c".` }
  const missing = missingStepProgram()
  if (missing !== undefined) return { detail: missing }
  rmSync(at.resultPath, { force: true })
  const why = await new Promise<string | undefined>((resolve) => {
    // In the folder of the step: Windows looks for programs there.
    const child = spawn(stepProgram(), ['run', at.resultPath, jobOf(at.runner)], {
      ...{ cwd: at.folder, env: at.environment, windowsHide: true },
      stdio: ['pipe', at.output, at.errors],
    })
    child.on('error', (error) => resolve(error.message))
    child.on('exit', () => resolve(undefined))
    // Stays open: its end would end the step.
    child.stdin
      ?.on('error', () => {})
      .write(
        orderText({
          commandLine: commandLineOf(argv),
          folder: at.folder,
          environment: at.environment,
          account: at.account,
          password: at.password,
          input: at.input,
        }),
      )
  })
  if (why !== undefined) return { detail: why }
  const end = readEnd(textOf(at.resultPath)) ?? { exitCode: ENDED }
  rmSync(at.resultPath, { force: true })
  return 'detail' in end ? { detail: `${program}: ${end.detail}` } : end
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
