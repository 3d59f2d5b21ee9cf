/**
 * Secrets in clear text (task-sequence-xml §5): taken out of everything that is kept, before anything
 * is read from it. What stands in their place is text that a person sees and that never runs: a step
 * that needs the secret is kept with that reason. Messages name the variable, never the value.
 */
import type { OriginalStep, OriginalVariable } from '@sluice/protocol'
import { isTrue } from './original.ts'
import { SECRET_REMOVED } from './steps/step-form.ts'

const secretName = /(password|passwd|passphrase|secret|productkey|_pwd|PIN)$|^pwd$/
/** Names like secrets whose values only say what to do. */
const harmless = /^(osdrandomadminpassword|osdbitlockercreaterecoverypassword|bderecoverypassword)$/
/** Shorter ones are not looked for in other texts: they would be found in any word. */
const MIN_SEARCHED = 3
/** More than that in one step are no secrets of a person. */
const MAX_SEARCHED = 50

export const namesSecret = (name: string): boolean =>
  !harmless.test(name.toLowerCase()) && (secretName.test(name.toLowerCase()) || /PIN$/.test(name))

/** Nothing, a switch, or a variable that holds the value elsewhere. */
const isHarmless = (value: string): boolean =>
  value === '' || value === SECRET_REMOVED || /^(true|false|yes|no|0|1)$/i.test(value) || /^%[^%\s]+%$/.test(value)

/** @param removed told the name of each variable that lost its value */
export function withoutSecrets(original: OriginalStep, removed: (name: string) => void): OriginalStep {
  if (original.variables === undefined) return original
  const values = new Set<string>()
  const hides = isTrue(original.variables.find(({ name }) => name === 'DoNotShowVariableValue')?.value)
  const target = original.variables.find(({ name }) => name === 'VariableName')?.value ?? ''
  const variables = original.variables.map((variable): OriginalVariable => {
    const { name, value } = variable
    if (name === 'OSDSetDynamicVariablesRules') return { ...variable, value: withoutSecretsInRules(value, removed) }
    const secret =
      name === 'VariableValue'
        ? hides || namesSecret(target)
        : namesSecret(name) || name === 'SetVariableActionHiddenVariableValue'
    if (!secret || isHarmless(value)) return variable
    removed(name === 'VariableValue' ? target : name)
    values.add(value)
    return { ...variable, value: SECRET_REMOVED }
  })
  if (values.size === 0) return { ...original, variables }
  const searched = [...values].filter((value) => value.length >= MIN_SEARCHED && !SECRET_REMOVED.includes(value))
  const clean = (text: string): string =>
    searched.slice(0, MAX_SEARCHED).reduce((left, value) => left.replaceAll(value, SECRET_REMOVED), text)
  const action =
    original.action === undefined
      ? {}
      : {
          action: clean(original.action).replace(
            /^(tsenv\.exe\s+"[^"=]*=).*?("(?:\s+\/hiddenflag:\w+)?)$/is,
            `$1${SECRET_REMOVED}$2`,
          ),
        }
  return {
    ...original,
    ...action,
    variables: variables.map((variable) => ({ ...variable, value: clean(variable.value) })),
  }
}

export function withoutSecretValues(
  variables: readonly OriginalVariable[],
  removed: (name: string) => void,
): OriginalVariable[] {
  return variables.map((variable) => {
    if (!namesSecret(variable.name) || isHarmless(variable.value)) return variable
    removed(variable.name)
    return { ...variable, value: SECRET_REMOVED }
  })
}

/** Rules of Set Dynamic Variables are XML inside a value. */
const withoutSecretsInRules = (rules: string, removed: (name: string) => void): string =>
  rules.replace(
    /(<Variable\b([^<>]*)>)([^<]*)(?=<\/Variable>)/g,
    (whole, tag: string, attributes: string, value: string) => {
      const name = /\bName="([^"]*)"/.exec(attributes)?.[1] ?? ''
      const secret = /\bIsSecret="true"/i.test(attributes) || namesSecret(name)
      if (!secret || isHarmless(value.trim())) return whole
      removed(name)
      return tag + SECRET_REMOVED
    },
  )

/** Whether a text looks as if a password stood in it; only a person can tell. */
export const mayHoldSecret = (text: string): boolean =>
  /(password|passwd|pwd|passphrase)["']?\s{0,3}[:=\s]\s{0,3}["']?(?![%$(/-])[^\s"']/i.test(text)
