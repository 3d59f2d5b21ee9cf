import { ok, type PackageId, type Problem, type Result, type StepOf } from '@sluice/protocol'
import { done, type StepContext, type StepKind } from './step-kind.ts'

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
      const folder = await fetched(step, chosen.value, context)
      if (!folder.ok) {
        if (step.continueOnPackageError !== true) return done(folder.problem)
        context.contentFailed(chosen.value, folder.problem)
      }
      // A package that failed leaves no path of an earlier step behind.
      const refused = save(folder.ok ? folder.value : '')
      if (refused !== undefined) return done(refused)
    }
    return done()
  },
}

/** The folder of a package: that of the cache, or a copy at a path, with the id of the package behind it. */
async function fetched(
  { destination = 'workingDirectory', files }: StepOf<'downloadPackageContent'>,
  packageId: PackageId,
  { acquire, environment, host }: StepContext,
): Promise<Result<string>> {
  const content = await acquire(packageId, files)
  if (!content.ok) return content
  if (typeof destination === 'string') return ok(content.value.folder)
  const path = environment.expand(destination.path)
  if (!path.ok) return path
  const target = `${path.value.value.replace(/[\\/]+$/, '')}/${packageId}`
  const placed = await host.place(content.value.folder, target)
  return placed.ok ? ok(target) : placed
}
