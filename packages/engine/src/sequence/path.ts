/** A place inside a document: names of fields and places in lists. */
export type Path = readonly (string | number)[]

/** As people read it: `steps[2].steps[0].package`. */
export function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? part : `.${part}`
  }
  return text
}
