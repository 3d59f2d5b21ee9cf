/**
 * Conditions, decided on the device immediately before a step or group (configmgr-behaviour §3.10),
 * with a trace that says what was found, so that nobody has to guess why something was skipped.
 *
 * C1. What is not looked at is not read: all, any and none end at the first that decides.
 * C2. A variable that is not there: `notEquals` and `notLike` hold, every other comparison does not.
 * C3. A file or folder that is not there, or has no version: the condition does not hold.
 * C4. Hidden values are masked in the trace.
 * C5. A kind that cannot be decided is never taken for true or false: a sequence with one in force is
 *     refused before it starts (obstacles.ts), and deciding it is an error.
 * C6. A query or script that fails on this device fails the condition as a whole, unless it says that this
 *     counts as no rows (task-sequence-xml §3, `ignoreQueryFailure`).
 */
import type { Compare, Condition } from '@sluice/protocol'
import type { FileFacts, Host } from '../host.ts'
import { expand, lookUp, MASK, type Variables } from '../run/variables.ts'
import { answerWql, type FactRow, parseWql, propertiesOf, unknownIn } from '../wql/index.ts'
import { compareValues, holds } from './compare.ts'
import { comparisonWords, ofFacts } from './condition-facts.ts'
import { likeText } from './wildcard.ts'

export interface Decision {
  result: boolean
  /** At most 4,000 characters. */
  trace: string
  /** C6: why it could not be decided; a sentence without its full stop. The result is false then. */
  failure?: string
}

export type DecidingHost = Pick<
  Host,
  'file' | 'factRows' | 'facts' | 'machine' | 'registry' | 'software' | 'probeScript'
>

const MAX_TRACE_LENGTH = 4_000

export async function decide(condition: Condition, variables: Variables, host: DecidingHost): Promise<Decision> {
  const { trace, ...decision } = await evaluate(condition, variables, host)
  return { ...decision, trace: trace.length > MAX_TRACE_LENGTH ? `${trace.slice(0, MAX_TRACE_LENGTH - 1)}…` : trace }
}

async function evaluate(condition: Condition, variables: Variables, host: DecidingHost): Promise<Decision> {
  if ('variable' in condition) return ofVariable(condition, variables)
  if ('file' in condition) return ofPath('file', condition.file, condition, variables, host)
  if ('folder' in condition) return ofPath('folder', condition.folder, condition, variables, host)
  if ('always' in condition) return { result: true, trace: told('no condition', true) }
  if ('all' in condition) return ofMany('all', condition.all, variables, host)
  if ('any' in condition) return ofMany('any', condition.any, variables, host)
  if ('none' in condition) return ofMany('none', condition.none, variables, host)
  if ('wmi' in condition) return ofQuery(condition, host)
  if ('osPlatforms' in condition)
    return ofMany(
      'any',
      condition.osPlatforms.map(({ queries }): Condition => ({ all: queries })),
      variables,
      host,
    )
  if (!('kept' in condition)) {
    const { what, result, failure } = await ofFacts(condition, variables, host)
    if (failure !== undefined) return { result: false, trace: `${what} fails: ${failure}`, failure }
    return { result, trace: told(what, result) }
  }
  throw new Error(`a condition that cannot be decided was not refused before the run (${Object.keys(condition)[0]})`) // C5
}

async function ofMany(
  word: 'all' | 'any' | 'none',
  conditions: readonly Condition[],
  variables: Variables,
  host: DecidingHost,
): Promise<Decision> {
  const deciding = word !== 'all'
  const traces: string[] = []
  let decided = false
  for (const inner of conditions) {
    const decision = await evaluate(inner, variables, host)
    traces.push(decision.trace)
    if (decision.failure !== undefined)
      return { result: false, trace: `${word} of (${traces.join('; ')})`, failure: decision.failure }
    decided = decision.result === deciding
    if (decided) break // C1
  }
  const result = decided === (word === 'any')
  return { result, trace: told(`${word} of (${traces.join('; ')})`, result) }
}

type VariableOf = Extract<Condition, { variable: string }>

function ofVariable(condition: VariableOf, variables: Variables): Decision {
  const { operator, value = '' } = condition
  const variable = lookUp(variables, condition.variable)
  const found = variable === undefined ? 'is not set' : `is "${variable.hidden ? MASK : variable.value}"`
  const subject = `${condition.variable} ${found}, ${operators[operator]}`
  if (operator === 'exists' || operator === 'notExists') {
    const result = (variable !== undefined) === (operator === 'exists')
    return { result, trace: told(subject, result) }
  }
  // The original expands it, too (task sequence log).
  const wanted = expand(value, variables)
  if (!wanted.ok) return { result: false, trace: told(`${subject}: ${wanted.problem.detail}`, false) }
  const result = compares(operator, variable?.value, wanted.value.value)
  const shown = variable?.hidden ? MASK : wanted.value.shown
  return { result, trace: told(`${subject} "${shown}"`, result) }
}

/** C2 */
function compares(operator: Compare | 'like' | 'notLike', found: string | undefined, wanted: string): boolean {
  if (operator === 'like') return found !== undefined && likeText(found, wanted)
  if (operator === 'notLike') return found === undefined || !likeText(found, wanted)
  return found === undefined ? operator === 'notEquals' : holds(operator, compareValues(found, wanted))
}

type WmiOf = Extract<Condition, { wmi: string }>

async function ofQuery({ wmi, namespace, ignoreQueryFailure }: WmiOf, host: DecidingHost): Promise<Decision> {
  const reading = parseWql(wmi)
  if (!reading.ok || unknownIn(reading.query, namespace) !== undefined)
    throw new Error('a query that cannot be decided was not refused before the run') // C5
  const answer = answerWql(reading.query, await host.factRows())
  const subject = `query "${wmi.length > MAX_SHOWN_QUERY ? `${wmi.slice(0, MAX_SHOWN_QUERY)}…` : wmi}"`
  if (answer.ok) {
    const { rows, lookedAt } = answer
    const names = propertiesOf(reading.query).map(({ name }) => name.toLowerCase())
    const shown = (rows.length > 0 ? rows : lookedAt).slice(0, MAX_SHOWN_ROWS).map((row) => ofRow(row, names))
    const found = `${rows.length} of ${lookedAt.length} rows ${shown.filter((one) => one !== '').join(', ')}`.trimEnd()
    return { result: rows.length > 0, trace: told(`${subject} finds ${found}`, rows.length > 0) }
  }
  if (ignoreQueryFailure === true)
    return { result: false, trace: told(`${subject} fails, which counts as no rows (${answer.why})`, false) }
  return { result: false, trace: `${subject} fails: ${answer.why}`, failure: answer.why } // C6
}

const MAX_SHOWN_QUERY = 500
const MAX_SHOWN_ROWS = 3

/** The properties that the query names, with their values. */
const ofRow = (row: FactRow, names: readonly string[]): string => {
  const shown = Object.entries(row).filter(([name]) => names.includes(name.toLowerCase()))
  return shown.length === 0 ? '' : `(${shown.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')})`
}

interface PathTests {
  version?: { operator: Compare; value: string } | undefined
  modified?: { operator: Compare; value: string } | undefined
}

async function ofPath(
  kind: FileFacts['kind'],
  text: string,
  tests: PathTests,
  variables: Variables,
  host: DecidingHost,
): Promise<Decision> {
  const path = expand(text, variables)
  if (!path.ok) return { result: false, trace: told(`${kind} ${text}: ${path.problem.detail}`, false) }
  const facts = await host.file(path.value.value)
  const subject = `${kind} ${path.value.shown}`
  if (facts === undefined || facts.kind !== kind)
    return { result: false, trace: told(`${subject} is not there`, false) } // C3
  const traces = [`${subject} is there`]
  let result = true
  if (tests.version !== undefined) {
    const { operator, value } = tests.version
    const { version } = facts
    result = version !== undefined && holds(operator, compareValues(version, value)) // C3
    traces.push(`version is ${version ?? 'not known'}, ${operators[operator]} ${value}`)
  }
  if (result && tests.modified !== undefined) {
    const { operator, value } = tests.modified
    // To the second: file systems keep more, people write less.
    const order = Math.floor(facts.modifiedMs / 1000) - Math.floor(Date.parse(value) / 1000)
    result = holds(operator, order)
    traces.push(`changed at ${new Date(facts.modifiedMs).toISOString()}, ${operators[operator]} ${value}`)
  }
  return { result, trace: told(traces.join(', '), result) }
}

const told = (what: string, result: boolean): string => `${what}: ${result ? 'yes' : 'no'}`

const operators: Record<Compare | 'exists' | 'notExists' | 'like' | 'notLike', string> = {
  like: 'must be like',
  notLike: 'must not be like',
  exists: 'must be set',
  notExists: 'must not be set',
  ...comparisonWords,
}
