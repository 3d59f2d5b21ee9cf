/**
 * Secrets that stood in clear text, for whoever makes them secrets of a site. Owns their names; the value
 * is in memory only, and in no printed form, JSON or copy of it.
 */
import { SecretName, type SourcePlace } from '@sluice/protocol'

export class FoundSecret {
  /** Name of the sequence. */
  readonly sequence: string
  readonly place: SourcePlace
  /** Of the step, as in `steps[2]`; undefined: a variable of the sequence. */
  readonly path: string | undefined
  /** Name of the variable whose value it was. */
  readonly field: string
  /** Stands where the value stood; native steps name it. The same value for the same account or field has the same name. */
  readonly suggestedName: string
  readonly #value: string

  constructor(found: Pick<FoundSecret, 'sequence' | 'place' | 'path' | 'field' | 'suggestedName'>, value: string) {
    this.sequence = found.sequence
    this.place = found.place
    this.path = found.path
    this.field = found.field
    this.suggestedName = found.suggestedName
    this.#value = value
  }

  /** The value, for the moment in which it is handed to a site. */
  reveal(): string {
    return this.#value
  }
}

/** The password of an account is one secret, named after it: `CORP-joiner-password`. */
export const passwordName = (account: string): string => nameOf(`${account}-password`)

function nameOf(text: string): string {
  const words = text.replace(/[^A-Za-z0-9_.]+/g, '-').replace(/^[^A-Za-z]+|-+$/g, '')
  return SecretName.parse((words === '' ? 'secret' : words).slice(0, 90))
}

/** Gives each value of an import its name: another value under a name that is taken gets a number. */
export class SecretNames {
  /** By name without case. */
  readonly #given = new Map<string, { name: string; value: string }>()

  /** @param account that the value is the password of; without one it is named after its field */
  nameFor(field: string, value: string, account = ''): string {
    // A name that told the value would keep it from being taken out of other texts.
    const told = (name: string): boolean => name.toLowerCase().includes(value.toLowerCase())
    const wanted = account === '' ? [nameOf(field)] : [passwordName(account), nameOf(field)]
    const base = wanted.find((name) => !told(name)) ?? nameOf('imported')
    for (let number = 1; ; number++) {
      const name = number === 1 ? base : SecretName.parse(`${base}-${number}`)
      const taken = this.#given.get(name.toLowerCase())
      if (taken !== undefined && taken.value !== value) continue
      if (taken === undefined) this.#given.set(name.toLowerCase(), { name, value })
      return taken?.name ?? name
    }
  }
}

const placeholder = /\(secret removed at import(?:: ([A-Za-z][A-Za-z0-9_.-]{0,99}))?\)/

/** What stands in place of a secret that was taken out: text that a person sees, and that never runs. */
export const placeholderOf = (name: string): string => `(secret removed at import: ${name})`
export const holdsPlaceholder = (text: string): boolean => placeholder.test(text)
export const isPlaceholder = (text: string): boolean => placeholder.exec(text)?.[0] === text
/** The secret that a placeholder stands for; undefined: an older one, or there is none. */
export const nameInPlaceholder = (text: string): string | undefined => placeholder.exec(text)?.[1]
