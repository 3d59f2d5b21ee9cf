/** What content a previewed run means, and how many bytes that can be. */
import type { PackageChoice, PackageId, Step } from '@sluice/protocol'
import { expand, lookUp, type Variables, variablesIn } from '../run/variables.ts'

/** What a step fetches. */
export interface PreviewedContent {
  /** Index among the steps of the preview. */
  step: number
  /**
   * `whole`: all of the package. `files`: some of its files. `oneOf`: one of these, and nobody knows yet
   * which. `someOf`: any of these, also none.
   */
  kind: 'whole' | 'files' | 'oneOf' | 'someOf'
  packages: PackageId[]
  /** Patterns, where only these files are needed. */
  files?: readonly string[]
}

export interface ContentBytes {
  /** Of packages that are surely needed whole, and of what a choice takes at the least. */
  leastBytes: number
  mostBytes: number
  /** Packages whose size is not known; they are counted as nothing. */
  unknown: PackageId[]
}

/**
 * @param sizes bytes that a package costs, all of its files
 * @returns bounds: each package is counted once, however many steps need it
 */
export function bytesOfContent(
  content: readonly PreviewedContent[],
  sizes: ReadonlyMap<PackageId, number>,
): ContentBytes {
  const sizeOf = (id: PackageId): number => sizes.get(id) ?? 0
  const sum = (ids: Iterable<PackageId>): number => [...ids].reduce((bytes, id) => bytes + sizeOf(id), 0)
  const whole = new Set(content.flatMap(({ kind, packages }) => (kind === 'whole' ? packages : [])))
  const open = content.filter(({ kind }) => kind !== 'whole')
  const all = new Set(content.flatMap(({ packages }) => packages))
  // Two choices may come out as the same package: only one of them is sure to cost something.
  const least = open.map(({ kind, packages }) =>
    kind === 'oneOf' && !packages.some((id) => whole.has(id)) ? Math.min(...packages.map(sizeOf)) : 0,
  )
  const most = open.map(({ kind, packages }) => {
    const others = packages.filter((id) => !whole.has(id)).map(sizeOf)
    return kind === 'oneOf' ? Math.max(0, ...others) : others.reduce((bytes, one) => bytes + one, 0)
  })
  const surely = sum(whole)
  return {
    leastBytes: surely + Math.max(0, ...least),
    mostBytes: Math.min(surely + most.reduce((bytes, one) => bytes + one, 0), sum(all)),
    unknown: [...all].filter((id) => !sizes.has(id)),
  }
}

/** The choices of a step. */
export function choicesOf(step: Step): Exclude<PackageChoice, PackageId>[] {
  const choices =
    step.type === 'downloadPackageContent'
      ? step.packages
      : step.type === 'runCommandLine' || step.type === 'runScript' || step.type === 'upgradeOperatingSystem'
        ? [step.package]
        : []
  return choices.filter((choice) => typeof choice === 'object')
}

/** Whether nobody knows yet what a choice comes out as: a variable of its text has no value. */
export function isOpen({ chosenBy }: { chosenBy: string }, variables: Variables): boolean {
  const text = expand(chosenBy, variables)
  return text.ok && variablesIn(text.value.value).some((name) => lookUp(variables, name) === undefined)
}

/** The packages that a list, which is only known at run time, may name; undefined: the step has no list. */
export function packagesOfList(step: Step): PackageId[] | undefined {
  if (step.type === 'installPackage' && step.listVariable !== undefined)
    return [...new Set(step.programs.map((program) => program.package))]
  if (step.type === 'installApplication' && step.listVariable !== undefined)
    return [...new Set(step.applications.flatMap((application) => application.package ?? []))]
  return undefined
}
