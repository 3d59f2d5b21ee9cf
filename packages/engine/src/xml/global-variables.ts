import { type OriginalVariable, type Sequence, SettableVariableName, VariableValue } from '@sluice/protocol'
import { isPlaceholder } from './found-secret.ts'

type StartVariables = NonNullable<Sequence['variables']>

/**
 * The variables that a sequence sets once at the start. Where a name is there twice, the first counts
 * (files repeat them with the same value, task-sequence-xml §4); an empty value, and a secret that was taken
 * out, set nothing.
 */
export function startVariables(globals: readonly OriginalVariable[]): StartVariables {
  const seen = new Set<string>()
  return globals.flatMap(({ name, value }) => {
    if (!isSettable(name, value) || seen.has(name.toLowerCase())) return []
    seen.add(name.toLowerCase())
    return value === '' || isPlaceholder(value) ? [] : [{ variable: name, value }]
  })
}

const isSettable = (name: string, value: string): boolean =>
  SettableVariableName.safeParse(name).success && VariableValue.safeParse(value).success

/** The list as it was, if it still says the same; otherwise what it cannot say natively, and the new variables. */
export function globalVariables(
  variables: StartVariables | undefined,
  original: readonly OriginalVariable[] | undefined,
): OriginalVariable[] {
  const was = original ?? []
  if (JSON.stringify(startVariables(was)) === JSON.stringify(variables ?? [])) return [...was]
  const others = was.filter(({ name, value }) => !isSettable(name, value))
  return [...others, ...(variables ?? []).map(({ variable, value }) => ({ name: variable, property: variable, value }))]
}
