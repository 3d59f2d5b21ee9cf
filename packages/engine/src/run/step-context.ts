/** What a step type sees of the run that it is in. */
import type { PackageId, Result } from '@sluice/protocol'
import { decide } from '../condition/condition.ts'
import type { AcquiredContent, Host } from '../host.ts'
import type { StepContext } from '../steps/step-kind.ts'
import { choosePackage } from './package-choice.ts'
import type { JournalEntry } from './run-state.ts'
import type { Environment } from './variables.ts'

export interface StepContextParts {
  host: Host
  environment: Environment
  /** Where notes go: they are journalled with the next commit. */
  entries: JournalEntry[]
  flags: readonly number[]
  part: number
  instruction: number
  name: string
  /** Fetches within the time that the run has; rejects when the run is stopped or cancelled. */
  acquire: (packageId: PackageId, files: readonly string[] | undefined) => Promise<Result<AcquiredContent>>
}

export function createStepContext(parts: StepContextParts): StepContext {
  const { host, environment, entries, flags, part, instruction, name } = parts
  return {
    ...{ host, environment, flags, part },
    decide: (condition) => decide(condition, environment.variables, host),
    note(text) {
      entries.push({ kind: 'stepNote', at: host.now(), instruction, name, text })
    },
    choose: (choice) => choosePackage(choice, environment),
    async acquire(packageId, files) {
      const content = await parts.acquire(packageId, files)
      if (content.ok) {
        environment.setOwn(`_SMSTS${packageId}`, content.value.folder)
        environment.setOwn('_SMSTSLastContentDownloadLocation', content.value.folder)
      }
      return content
    },
    contentFailed(packageId, reason) {
      entries.push({ kind: 'contentFailed', at: host.now(), instruction, name, packageId, problem: reason })
    },
  }
}
