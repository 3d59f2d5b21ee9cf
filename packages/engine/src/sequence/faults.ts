/**
 * What is wrong with a value, for people: where, what was found, what was expected. Of a schema
 * with branches only the branch is reported that the author meant.
 */
import type { z } from 'zod'
import { nearest } from './nearest.ts'
import type { Path } from './path.ts'

export interface Fault {
  path: Path
  message: string
  /** The fault is the name of a field, not its value. */
  atField?: boolean
}

type Issue = z.core.$ZodIssue

/** Unknown fields of one map that are told. */
const MOST_UNKNOWN = 101

/** Exactly one of these fields says what kind of condition it is. In the order of the schema. */
const conditionFields = [
  ...['variable', 'file', 'folder', 'all', 'any', 'none'],
  ...['registry', 'wmi', 'osPlatforms', 'osVersion', 'software', 'always', 'kept'],
  ...['make', 'computer', 'defaultGateway', 'script'],
]

/** Checks a value against a schema: the parsed value, or every fault. */
export function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
): { ok: true; value: T } | { ok: false; faults: Fault[] } {
  const parsed = schema.safeParse(value, {
    // The only thing an issue does not carry itself: the fields that are known where one is unknown.
    error: (issue) => {
      const shape: unknown = issue.code === 'unrecognized_keys' ? Reflect.get(issue.inst?._zod.def ?? {}, 'shape') : {}
      return issue.code === 'unrecognized_keys' ? Object.keys(shape ?? {}).join(' ') : undefined
    },
  })
  if (parsed.success) return { ok: true, value: parsed.data }
  return { ok: false, faults: parsed.error.issues.flatMap((issue) => explain(issue, [], value)) }
}

/** @param around path of the value that `root` is; issues inside a branch count their path from there */
function explain(issue: Issue, around: Path, root: unknown): Fault[] {
  const path: Path = [...around, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))]
  const found = valueAt(root, issue.path)
  switch (issue.code) {
    case 'unrecognized_keys':
      // No more than are ever shown, and one to tell that there are more: each looks for its nearest name.
      return issue.keys.slice(0, MOST_UNKNOWN).map((key) => ({
        path: [...path, key],
        message: `unknown field "${key}"${suggestion(key, issue.message.split(' '))}`,
        atField: true,
      }))
    case 'invalid_union':
      return explainUnion(issue, path, found)
    case 'invalid_type':
      return [expected(path, found, typeNames[issue.expected] ?? issue.expected)]
    case 'invalid_value':
      return [expectedOneOf(path, found, issue.values.map(String))]
    case 'invalid_format':
      return [expected(path, found, issue.format === 'regex' ? issue.message : (formats[issue.format] ?? issue.format))]
    case 'invalid_key':
      return issue.issues.flatMap((inner) =>
        inner.code === 'invalid_format'
          ? [{ path, message: `found "${String(path.at(-1))}"; expected ${inner.message}`, atField: true }]
          : [],
      )
    case 'too_big':
      return [{ path, message: `found ${measure(found)}; expected at most ${issue.maximum}` }]
    case 'too_small':
      return [{ path, message: `found ${measure(found)}; expected at least ${issue.minimum}` }]
    default:
      return [{ path, message: issue.message }]
  }
}

function explainUnion(issue: Issue & { code: 'invalid_union' }, path: Path, found: unknown): Fault[] {
  if (issue.discriminator !== undefined) {
    const known = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : []
    return [expectedOneOf(path, found, known)]
  }
  const before = path.at(-2)
  const isCandidates = path.at(-1) === 'candidates'
  const isCondition =
    ['condition', 'when', 'detect', 'requires'].includes(String(path.at(-1))) ||
    before === 'all' ||
    before === 'any' ||
    before === 'none'
  if (!isCondition) {
    // The only other choice: a plain value or a map of fields.
    const meant = issue.errors.find((branch) =>
      branch.every((inner) => inner.path.length > 0 || inner.code !== 'invalid_type'),
    )
    return (meant ?? [])
      .flatMap((inner) => explain(inner, path, found))
      .concat(
        meant === undefined
          ? [
              expected(
                path,
                found,
                isCandidates
                  ? 'a list of package ids, or `labels`'
                  : 'a package id such as ABC00001, or `chosenBy` with `candidates`',
              ),
            ]
          : [],
      )
  }
  if (!isFields(found)) return [expected(path, found, 'a condition, a map of fields')]
  const branch = conditionFields.findIndex((field) => Object.hasOwn(found, field))
  const inner = issue.errors[branch]
  if (inner !== undefined) return inner.flatMap((each) => explain(each, path, found))
  const hint = Object.keys(found).map((key) => suggestion(key, conditionFields))
  return [
    {
      path,
      message: `a condition has one of the fields ${conditionFields.join(', ')}${hint.find((text) => text !== '') ?? ''}`,
    },
  ]
}

const typeNames: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of fields',
}
const formats: Record<string, string> = { datetime: 'a time such as 2026-01-31T12:00:00Z' }

function expected(path: Path, found: unknown, what: string): Fault {
  if (found === undefined) return { path, message: `is missing; expected ${what}` }
  const quote = what === 'text' && (typeof found === 'number' || typeof found === 'boolean')
  return { path, message: `found ${describe(found)}; expected ${what}${quote ? ': put it in quotes' : ''}` }
}

function expectedOneOf(path: Path, found: unknown, known: string[]): Fault {
  const hint = typeof found === 'string' ? suggestion(found, known) : ''
  return expected(path, found, (known.length === 1 ? `"${known[0]}"` : `one of ${known.join(', ')}`) + hint)
}

const suggestion = (name: string, known: readonly string[]): string => {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `; did you mean "${meant}"?`
}

/** A value in a few words. */
function describe(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map of fields'
  if (typeof value === 'string') return value.length > 60 ? `"${value.slice(0, 60)}…"` : `"${value}"`
  return `the ${typeof value} ${String(value)}`
}

const measure = (value: unknown): string => {
  if (typeof value === 'string') return `${value.length} characters`
  return Array.isArray(value) ? `${value.length} entries` : String(value)
}

const isFields = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = Reflect.get(value, part)
  }
  return value
}
