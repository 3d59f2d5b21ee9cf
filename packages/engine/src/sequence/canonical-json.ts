/**
 * One spelling for a document: fields sorted by UTF-16 code units, no blanks, no fields that are
 * undefined (as RFC 8785 does). These bytes are what is hashed and signed.
 */
export function canonicalJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(write(value))
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${write(field)}`).join(',')}}`
}
