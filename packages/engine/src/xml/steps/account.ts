/**
 * An account in XML: its name in one variable, its password in another. Natively the password is a
 * secret, named by what stands in the place of the one that was taken out, or else after the account:
 * exports leave passwords out (configmgr-behaviour §3.3).
 */
import type { OriginalStep, RunAs } from '@sluice/protocol'
import { isPlaceholder, nameInPlaceholder, passwordName, placeholderOf } from '../found-secret.ts'
import { ifThere, type KeptReason, type VariableChange, valueIn } from './step-form.ts'

interface AccountVariables {
  account: { name: string; property: string }
  password: { name: string; property: string }
}

/** Undefined: no account. A password that stands in a variable is no secret here. */
export function readAccount(
  original: OriginalStep,
  { account, password }: AccountVariables,
): { account?: RunAs } | { reason: KeptReason } {
  const name = valueIn(original, account.name)
  if (name === '') return {}
  const told = valueIn(original, password.name)
  if (told !== '' && !isPlaceholder(told))
    return {
      reason: { home: 'detail', why: `the password of ${name.slice(0, 100)} is in a variable: make it a secret` },
    }
  return { account: { account: name, secret: nameInPlaceholder(told) ?? passwordName(name) } }
}

/** Account and password as they were, as long as they say the same. */
export function writeAccount(
  account: RunAs | undefined,
  original: OriginalStep,
  { account: name, password }: AccountVariables,
): VariableChange[] {
  if (account === undefined) return [name, password].map((each) => ({ ...each, value: ifThere(original, each.name) }))
  const was = valueIn(original, name.name)
  const told = valueIn(original, password.name)
  const same = was === account.account && account.secret === (nameInPlaceholder(told) ?? passwordName(was))
  const value =
    account.secret === undefined || account.secret === passwordName(account.account)
      ? ''
      : placeholderOf(account.secret)
  return [
    { ...name, value: account.account },
    { ...password, value, ...(same ? { onlyNew: true as const } : {}) },
  ]
}

/** @param wanted whether the step says that it runs as another account: the names alone do nothing */
export function readRunAs(
  original: OriginalStep,
  variables: AccountVariables,
  wanted: boolean,
): { runAs?: RunAs } | { reason: KeptReason } {
  if (!wanted) return {}
  const read = readAccount(original, variables)
  if ('reason' in read) return read
  if (read.account === undefined)
    return { reason: { home: 'detail', why: 'it runs as another account, which it does not name' } }
  return { runAs: read.account }
}

/** Names beside a step that does not run as another account stay. */
export const writeRunAs = (
  runAs: RunAs | undefined,
  original: OriginalStep,
  variables: AccountVariables,
  flag: string,
): VariableChange[] => [
  { name: flag, property: 'RunAsUser', value: runAs === undefined ? 'false' : 'true' },
  ...(runAs === undefined ? [] : writeAccount(runAs, original, variables)),
]
