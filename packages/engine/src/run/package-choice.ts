import { failed, labelsText, ok, type PackageChoice, type PackageId, problem, type Result } from '@sluice/protocol'
import type { Environment } from './variables.ts'

/**
 * The package that a step means: the one it names, or what its text comes out as, if that is one of
 * its candidates. Nothing else is distributed or authorised (design §6): `CANDIDATE_NOT_DECLARED`.
 */
export function choosePackage(choice: PackageChoice, environment: Environment): Result<PackageId> {
  if (typeof choice === 'string') return ok(choice)
  const text = environment.expand(choice.chosenBy)
  if (!text.ok) return text
  const candidates = candidatesOf(choice)
  const chosen = candidates.find((id) => id === text.value.value.trim())
  if (chosen !== undefined) return ok(chosen)
  const known = Array.isArray(choice.candidates)
    ? `candidates: ${candidates.slice(0, 20).join(', ')}`
    : `no package has the labels ${labelsText(choice.candidates.labels)}`
  return failed(
    problem('CANDIDATE_NOT_DECLARED', `${choice.chosenBy} came out as "${text.value.shown.slice(0, 100)}"; ${known}.`),
  )
}

/** Those with an id. By labels there are none before `withLabelled` put them in. */
export const candidatesOf = ({ candidates }: Exclude<PackageChoice, PackageId>): PackageId[] =>
  Array.isArray(candidates) ? candidates : []
