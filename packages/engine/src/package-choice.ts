import { failed, ok, type PackageChoice, type PackageId, problem, type Result } from '@sluice/protocol'
import type { Environment } from './variables.ts'

/**
 * The package that a step means: the one it names, or what its text comes out as, if that is one of
 * its candidates. Nothing else is distributed or authorised (design §6): `CANDIDATE_NOT_DECLARED`.
 */
export function choosePackage(choice: PackageChoice, environment: Environment): Result<PackageId> {
  if (typeof choice === 'string') return ok(choice)
  const text = environment.expand(choice.chosenBy)
  if (!text.ok) return text
  const chosen = choice.candidates.find((id) => id === text.value.value.trim())
  if (chosen !== undefined) return ok(chosen)
  return failed(
    problem(
      'CANDIDATE_NOT_DECLARED',
      `${choice.chosenBy} came out as "${text.value.shown.slice(0, 100)}"; candidates: ${choice.candidates.slice(0, 20).join(', ')}.`,
    ),
  )
}
