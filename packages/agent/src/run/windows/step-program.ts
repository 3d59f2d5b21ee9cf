/** `SluiceStep.exe`: where it is, and the questions that it answers at once. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProcessIdentity } from '../session.ts'

/** Names another place of the program: tests under Wine have one made of C. */
export const STEP_PROGRAM = 'SLUICE_STEP_PROGRAM'
/** The sources of the program. */
export const SOURCE_FOLDER = fileURLToPath(new URL('../../../windows', import.meta.url))

const ASK_MS = 30_000

export const stepProgram = (): string => process.env[STEP_PROGRAM] ?? join(SOURCE_FOLDER, 'SluiceStep.exe')

/** What to do where it is missing; undefined where it is there. */
export const missingStepProgram = (): string | undefined =>
  existsSync(stepProgram())
    ? undefined
    : `There is no ${stepProgram()}: run "sluice-agent windows prepare" as an administrator.`

/** The job of the step that a runner leads. Names of jobs are for the whole computer. */
export const jobOf = (runner: ProcessIdentity): string => `Global\\SluiceStep-${runner.pid}-${runner.startTicks}`

/** Whether anything of a step lives. @throws when nobody can say */
export const jobLives = (runner: ProcessIdentity): boolean => ask('alive', jobOf(runner)).status === 1

export const endJob = (runner: ProcessIdentity): void => {
  ask('end', jobOf(runner))
}

/** A GUID that is another one after every start of Windows. @throws when the registry does not take it */
export function windowsBoot(): string {
  const id = ask('boot').stdout.trim()
  if (!/^[0-9a-f-]{36}$/i.test(id)) throw new Error(`SluiceStep boot said "${id}"`)
  return id.toLowerCase()
}

function ask(...words: string[]): { status: number; stdout: string } {
  const { status, stdout, stderr, error } = spawnSync(stepProgram(), words, {
    encoding: 'utf8',
    timeout: ASK_MS,
    windowsHide: true,
  })
  if (error !== undefined) throw error
  if (status !== 0 && status !== 1) throw new Error(`SluiceStep ${words[0]} ended with ${status}. ${stderr}`.trim())
  return { status, stdout }
}
