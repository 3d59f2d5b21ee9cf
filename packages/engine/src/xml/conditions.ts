/**
 * Conditions between XML and their native form (task-sequence-xml §7).
 *
 * Q1. `<condition>` is an AND of what is in it; without anything in it, it holds.
 * Q2. An element becomes a native condition only if writing that gives the element again: the same
 *     attributes, and the same variables with the same values. Everything else is kept as XML, and a
 *     sequence with it in force is refused before it starts. So nothing is lost, and nothing guessed.
 * Q3. Spellings that mean the same are made one: operators in other cases, `nonExists`, blanks around
 *     values, the order of variables, several elements directly in `<condition>` instead of in an *and*.
 */
import { Condition } from '@sluice/protocol'
import { element, type XmlElement } from './element.ts'
import { readExpression, spelling, writeExpression } from './expressions.ts'
import { readKept } from './kept-xml.ts'
import { writeXml } from './write-xml.ts'

/** Operators inside each other; deeper ones are kept as XML. Three have been seen. */
const MAX_OPERATORS_DEEP = 15

/** What is in these elements, all of which must hold: a step has at most one, as far as is known. */
export function readCondition(conditions: readonly XmlElement[]): Condition {
  const parts = conditions.flatMap(({ children }) => children.map((child) => readOperand(child, 1)))
  const [first] = parts
  if (first === undefined) return { always: true } // Q1
  return parts.length === 1 ? first : { all: parts }
}

export const writeCondition = (condition: Condition): XmlElement =>
  element('condition', {}, 'always' in condition ? [] : [writeOperand(condition)])

function readOperand(operand: XmlElement, depth: number): Condition {
  const read = operand.name === 'operator' ? readOperator(operand, depth) : readWhole(operand)
  return read ?? { kept: writeXml(operand) }
}

/** Q2 */
function readWhole(operand: XmlElement): Condition | undefined {
  const read = readExpression(operand)
  if (read === undefined || !Condition.safeParse(read).success) return undefined
  return spelling(writeExpression(read)) === spelling(operand) ? read : undefined
}

function readOperator({ attributes, children }: XmlElement, depth: number): Condition | undefined {
  const type = attributes.get('type')?.trim().toLowerCase()
  if (attributes.size !== 1 || depth > MAX_OPERATORS_DEEP) return undefined
  const parts = children.map((child) => readOperand(child, depth + 1))
  if (type === 'and') return parts.length === 0 ? { always: true } : { all: parts }
  if (parts.length === 0) return undefined // Nobody knows what an *or* of nothing is there.
  return type === 'or' ? { any: parts } : type === 'not' ? { none: parts } : undefined
}

function writeOperand(condition: Condition): XmlElement {
  const operator = (type: string, parts: readonly Condition[]): XmlElement =>
    element('operator', { type }, parts.map(writeOperand))
  if ('always' in condition) return operator('and', [])
  if ('all' in condition) return operator('and', condition.all)
  if ('any' in condition) return operator('or', condition.any)
  if ('none' in condition) return operator('not', condition.none)
  if ('kept' in condition) return readKept(condition.kept)
  // The XML has no place for these: they are kept there as text, and read back as what the original does not know.
  if ('script' in condition || 'defaultGateway' in condition) return element('kept', {}, JSON.stringify(condition))
  return writeExpression(condition)
}
