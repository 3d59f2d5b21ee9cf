/**
 * Secrets in clear text (task-sequence-xml §5): taken out of everything that is kept, before anything
 * is read from it. What stands in their place is text that a person sees and that never runs: a step
 * either names the secret, or is kept with that reason. Messages name the variable, never the value.
 */
import type { OriginalStep, OriginalVariable } from '@sluice/protocol'
import { isPlaceholder } from './found-secret.ts'
import { isTrue } from './original.ts'
import { unescapeOnce } from './unescape.ts'

const secretName = /(password|passwd|passphrase|secret|productkey|_pwd|PIN)$|^pwd$/
/** Names like secrets whose values only say what to do. */
const harmless = /^(osdrandomadminpassword|osdbitlockercreaterecoverypassword|bderecoverypassword)$/
/** Shorter ones are not looked for in other texts: they would be found in any word. */
const MIN_SEARCHED = 3
/** More than that in one step are no secrets of a person. */
const MAX_SEARCHED = 50

/** The variable with the account that a password belongs to. */
const accountOf: Record<string, string> = {
  smstsruncommandlineuserpassword: 'smstsruncommandlineusername',
  smstsrunpowershelluserpassword: 'smstsrunpowershellusername',
  osdjoinpassword: 'osdjoinaccount',
  smsconnectnetworkfolderpassword: 'smsconnectnetworkfolderaccount',
}

export const namesSecret = (name: string): boolean =>
  !harmless.test(name.toLowerCase()) && (secretName.test(name.toLowerCase()) || /PIN$/.test(name))

/** Nothing, a switch, or a variable that holds the value elsewhere. */
const isHarmless = (value: string): boolean =>
  value === '' || isPlaceholder(value) || /^(true|false|yes|no|0|1)$/i.test(value) || /^%[^%\s]+%$/.test(value)

/**
 * Told the name of a variable and the value that it loses.
 * @param account that the value is the password of; empty where none is named
 * @returns what stands in its place
 */
export type TakeSecret = (name: string, value: string, account: string) => string

export function withoutSecrets(original: OriginalStep, take: TakeSecret): OriginalStep {
  if (original.variables === undefined) return original
  const taken = new Map<string, string>()
  const valueBy = (name: string): string =>
    original.variables?.find((variable) => variable.name.toLowerCase() === name.toLowerCase())?.value ?? ''
  const hides = isTrue(valueBy('DoNotShowVariableValue'))
  const target = valueBy('VariableName')
  const variables = original.variables.map((variable): OriginalVariable => {
    const { name, value } = variable
    if (name === 'OSDSetDynamicVariablesRules') return { ...variable, value: withoutSecretsInRules(value, take) }
    const secret =
      name === 'VariableValue'
        ? hides || namesSecret(target)
        : namesSecret(name) || name === 'SetVariableActionHiddenVariableValue'
    if (!secret || isHarmless(value)) return variable
    const account = valueBy(accountOf[name.toLowerCase()] ?? '')
    const instead = take(name === 'VariableValue' ? target : name, value, account)
    taken.set(value, instead)
    return { ...variable, value: instead }
  })
  if (taken.size === 0) return { ...original, variables }
  const searched = [...taken].filter(
    ([value]) => value.length >= MIN_SEARCHED && ![...taken.values()].some((instead) => instead.includes(value)),
  )
  const clean = (text: string): string =>
    searched.slice(0, MAX_SEARCHED).reduce((left, [value, instead]) => left.replaceAll(value, () => instead), text)
  const [instead = ''] = taken.values()
  const action =
    original.action === undefined
      ? {}
      : {
          action: clean(original.action).replace(
            /^(tsenv\.exe\s+"[^"=]*=).*?("(?:\s+\/hiddenflag:\w+)?)$/is,
            (_, before: string, behind: string) => before + instead + behind,
          ),
        }
  return {
    ...original,
    ...action,
    variables: variables.map((variable) => ({ ...variable, value: clean(variable.value) })),
  }
}

export function withoutSecretValues(variables: readonly OriginalVariable[], take: TakeSecret): OriginalVariable[] {
  return variables.map((variable) => {
    if (!namesSecret(variable.name) || isHarmless(variable.value)) return variable
    return { ...variable, value: take(variable.name, variable.value, '') }
  })
}

/** Rules of Set Dynamic Variables are XML inside a value. */
const withoutSecretsInRules = (rules: string, take: TakeSecret): string =>
  rules.replace(
    /(<Variable\b([^<>]*)>)([^<]*)(?=<\/Variable>)/g,
    (whole, tag: string, attributes: string, value: string) => {
      const name = /\bName="([^"]*)"/.exec(attributes)?.[1] ?? ''
      const secret = /\bIsSecret="true"/i.test(attributes) || namesSecret(name)
      if (!secret || isHarmless(value.trim())) return whole
      return tag + take(name, unescapeOnce(value), '')
    },
  )

/** Whether a text looks as if a password stood in it; only a person can tell. */
export const mayHoldSecret = (text: string): boolean =>
  /(password|passwd|pwd|passphrase)["']?\s{0,3}[:=\s]\s{0,3}["']?(?![%$(/-])[^\s"']/i.test(text)
