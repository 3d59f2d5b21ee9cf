import type { Problem } from '@sluice/protocol'
import { done, type StepKind } from './step-kind.ts'

/** Fetches packages in the order of the list (configmgr-behaviour §3.5). */
export const downloadPackageContent: StepKind<'downloadPackageContent'> = {
  fetches: () => true,
  async prepare(step, context) {
    for (const [index, choice] of step.packages.entries()) {
      const variable = step.saveAs === undefined ? undefined : `${step.saveAs}${String(index + 1).padStart(2, '0')}`
      const save = (folder: string): Problem | undefined =>
        variable === undefined ? undefined : context.environment.set(variable, folder)

      const chosen = context.choose(choice)
      if (!chosen.ok) return done(chosen.problem)
      const content = await context.acquire(chosen.value, step.files)
      if (!content.ok) {
        if (step.continueOnPackageError !== true) return done(content.problem)
        context.contentFailed(chosen.value, content.problem)
      }
      // A package that failed leaves no path of an earlier step behind.
      const refused = save(content.ok ? content.value.folder : '')
      if (refused !== undefined) return done(refused)
    }
    return done()
  },
}
