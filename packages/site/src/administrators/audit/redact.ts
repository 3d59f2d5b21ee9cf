/** What of a request may stand in the audit: secrets never, long texts by their hash. */
import { createHash } from 'node:crypto'

/** Fields that hold secrets, wherever they stand in a body of the admin API. */
const SECRET_FIELDS = new Set([
  ...['password', 'newPassword', 'code', 'token', 'secret', 'value', 'response'],
  // Of cloud storage, and of the proxy before gateways.
  ...['key', 'readerToken', 'clientSecret', 'secretAccessKey', 'credentials'],
])
const MAX_TEXT = 1_000
const MAX_ENTRY = 16_000
const MAX_DEPTH = 20

/** A copy that is safe to keep for ever, at most about 16,000 characters as JSON. */
export function redacted(value: unknown): unknown {
  const copy = redactAt(value, 0)
  const text = JSON.stringify(copy)
  return text !== undefined && text.length > MAX_ENTRY ? summary(text) : copy
}

const summary = (text: string) => ({
  length: text.length,
  sha256: createHash('sha256').update(text, 'utf8').digest('hex'),
})

function redactAt(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? summary(value) : value
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.map((one) => redactAt(one, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, SECRET_FIELDS.has(name) ? '(hidden)' : redactAt(one, depth + 1)]),
  )
}
