/**
 * Task sequence variables (configmgr-behaviour §3.11): names compare without case, an empty value
 * removes, a leading `_` is read-only for everything but the engine.
 */
import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import type { JournalEntry, Variable } from './run-state.ts'

/** By lower-case name. Never changed in place: a run's state may be kept by whoever stored it. */
export type Variables = Readonly<Record<string, Variable>>

export const MAX_VARIABLES = 1_000
export const MAX_VALUE_LENGTH = 4_000
/** A text after expansion; the longest command line of the original. */
export const MAX_EXPANDED_LENGTH = 32_000
/** What stands in logs and reports for a hidden value. */
export const MASK = '********'

export function lookUp(variables: Variables, name: string): Variable | undefined {
  const key = name.toLowerCase()
  return Object.hasOwn(variables, key) ? variables[key] : undefined
}

export interface Expanded {
  value: string
  /** The same text for logs: hidden values are masked. */
  shown: string
  /** A hidden value is in it. */
  hidden: boolean
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_-]{0,255}$/

/** The names that `%name%` stands for in a text, as written. */
export function variablesIn(text: string): string[] {
  const names: string[] = []
  for (const part of parts(text, () => true)) if (part.name !== undefined) names.push(part.name)
  return names
}

/**
 * Puts values in place of `%name%`, once: a value is not expanded again. What has no value stays as
 * it is written. `VARIABLE_REFUSED` when the text grows beyond 32,000 characters.
 */
export function expand(text: string, variables: Variables): Result<Expanded> {
  let value = ''
  let shown = ''
  let hidden = false
  for (const part of parts(text, (name) => lookUp(variables, name) !== undefined)) {
    const variable = part.name === undefined ? undefined : lookUp(variables, part.name)
    value += variable?.value ?? part.text
    shown += variable?.hidden ? MASK : (variable?.value ?? part.text)
    hidden ||= variable?.hidden ?? false
    if (value.length > MAX_EXPANDED_LENGTH)
      return failed(
        problem('VARIABLE_REFUSED', `A text grows beyond ${MAX_EXPANDED_LENGTH} characters by its variables.`),
      )
  }
  return ok({ value, shown, hidden })
}

/** `100 %A%B%` with only `B` known is `100 %A` and then the variable `B`. */
function* parts(text: string, known: (name: string) => boolean): Generator<{ text: string; name?: string }> {
  let plainFrom = 0
  let open = text.indexOf('%')
  while (open >= 0) {
    const close = text.indexOf('%', open + 1)
    if (close < 0) break
    const name = text.slice(open + 1, close)
    if (close - open <= 257 && namePattern.test(name) && known(name)) {
      if (open > plainFrom) yield { text: text.slice(plainFrom, open) }
      yield { text: text.slice(open, close + 1), name }
      plainFrom = close + 1
      open = text.indexOf('%', plainFrom)
    } else open = close
  }
  if (plainFrom < text.length) yield { text: text.slice(plainFrom) }
}

/** The variables while one instruction is carried out, and what it changed. */
export class Environment {
  readonly changes: JournalEntry[] = []
  #variables: Variables
  readonly #now: () => number

  constructor(variables: Variables, now: () => number) {
    this.#variables = variables
    this.#now = now
  }

  get variables(): Variables {
    return this.#variables
  }

  get(name: string): string | undefined {
    return lookUp(this.#variables, name)?.value
  }

  expand(text: string): Result<Expanded> {
    return expand(text, this.#variables)
  }

  /** Sets what a sequence or an input may set. The change is journalled; a hidden variable stays hidden. */
  set(name: string, value: string, hidden = false): Problem | undefined {
    if (!namePattern.test(name) || name.startsWith('_'))
      return problem('VARIABLE_REFUSED', `The name "${name.slice(0, 260)}" may not be set.`)
    if (value.length > MAX_VALUE_LENGTH)
      return problem('VARIABLE_REFUSED', `The value of ${name} has ${value.length} characters.`)
    const present = lookUp(this.#variables, name)
    if (present === undefined && value !== '' && this.#settableCount() >= MAX_VARIABLES)
      return problem('VARIABLE_REFUSED', `${name} would be one more than ${MAX_VARIABLES} variables.`)
    const masked = hidden || (present?.hidden ?? false)
    this.#put(name, value, masked)
    this.changes.push({
      kind: 'variableSet',
      at: this.#now(),
      name,
      value: masked && value !== '' ? MASK : value,
      hidden: masked,
    })
    return undefined
  }

  /** Sets a variable of the engine's own; too long values are cut. Not journalled. */
  setOwn(name: string, value: string): void {
    this.#put(name, value.slice(0, MAX_VALUE_LENGTH), false)
  }

  #put(name: string, value: string, hidden: boolean): void {
    const key = name.toLowerCase()
    if (value === '') {
      const { [key]: _, ...others } = this.#variables
      this.#variables = others
    } else {
      const first = lookUp(this.#variables, name)?.name ?? name
      this.#variables = { ...this.#variables, [key]: { name: first, value, hidden } }
    }
  }

  #settableCount(): number {
    return Object.keys(this.#variables).filter((key) => !key.startsWith('_')).length
  }
}
