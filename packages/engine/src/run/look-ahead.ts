/**
 * What the steps after the present one will surely need, as far as a sequence can be sure: what stands behind
 * a condition, or behind a restart, is not looked at, and of packages that are chosen at run time nobody
 * knows yet. Only a step that fails can make it needless.
 */
import type { PackageChoice, PackageId, Step } from '@sluice/protocol'
import type { InstructionTable } from './flatten.ts'

export interface ContentNeed {
  packageId: PackageId
  /** Patterns of the files; undefined: all. */
  files: readonly string[] | undefined
}

/**
 * @param pointer of the step that runs
 * @param most needs, at most
 */
export function surelyNeeded({ instructions }: InstructionTable, pointer: number, most: number): ContentNeed[] {
  const needs: ContentNeed[] = []
  const present = instructions[pointer]
  if (present?.kind !== 'step' || mayRestart(present.step)) return needs
  for (let at = pointer + 1; at < instructions.length; at++) {
    const one = instructions[at]
    if (one === undefined || one.kind === 'groupEnd') continue
    const node = one.kind === 'step' ? one.step : one.group
    if (node.disabled === true) {
      if (one.kind === 'groupStart') at = one.end
      continue
    }
    if (node.condition !== undefined) break
    if (one.kind !== 'step') continue
    needs.push(...needsOf(one.step))
    if (needs.length >= most || mayRestart(one.step)) break
  }
  return needs.slice(0, most)
}

/** Steps that as a rule restart the machine, or are steps of another sequence: nobody knows what is afterwards. */
const mayRestart = (step: Step): boolean =>
  ['restartComputer', 'installSoftwareUpdates', 'joinDomainOrWorkgroup', 'runTaskSequence'].includes(step.type) ||
  (step.type === 'upgradeOperatingSystem' && step.scanOnly !== true)

function needsOf(step: Step): ContentNeed[] {
  if (step.type === 'downloadPackageContent') return step.packages.flatMap((choice) => need(choice, step.files))
  if (step.type === 'runCommandLine' || step.type === 'runScript') return need(step.package, step.files)
  // With a list, what is installed is only known then; applications may be there already.
  if (step.type === 'installPackage' && step.listVariable === undefined)
    return step.programs.flatMap((program) => need(program.package, undefined))
  if (step.type === 'upgradeOperatingSystem') return need(step.package, undefined)
  return []
}

function need(choice: PackageChoice | undefined, files: readonly string[] | undefined): ContentNeed[] {
  return typeof choice === 'string' ? [{ packageId: choice, files }] : []
}
