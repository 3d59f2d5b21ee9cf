/** Actions whose properties are words such as `/wait:False`, in whatever order. */
export interface Switches {
  /** The words without a value behind a colon, as in `/enable`; lower case. */
  flags: Set<string>
  /** By lower-case name. */
  values: Map<string, string>
}

/** @returns undefined when the action is of another program, or holds a word that is no switch */
export function switchesIn(action: string, program: string): Switches | undefined {
  const [first = '', ...words] = action.trim().split(/\s+/)
  if (first.toLowerCase() !== program) return undefined
  const found: Switches = { flags: new Set(), values: new Map() }
  for (const word of words) {
    const match = /^\/([a-z]+)(?::(.*))?$/is.exec(word)
    if (match === null) return undefined
    const name = (match[1] ?? '').toLowerCase()
    if (match[2] === undefined) found.flags.add(name)
    else found.values.set(name, match[2])
  }
  return found
}
