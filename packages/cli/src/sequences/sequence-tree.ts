/** A sequence as a tree of lines that a person reads: what runs, when, and with what. */
import { conditionInWords } from '@sluice/engine'
import type { Sequence, SequenceNode } from '@sluice/protocol'

const MAX_VALUE = 100

export function sequenceTree(sequence: Sequence): string[] {
  const { inputs, variables = [], steps, finally: ending = [] } = sequence
  return [
    ...inputs.map(
      ({ variable, pattern, default: value }) =>
        `input ${variable}${pattern === undefined ? '' : `, like ${pattern}`}${value === undefined ? '' : `, else "${value}"`}`,
    ),
    ...variables.map(({ variable, value }) => `${variable} is "${cut(value)}" at the start`),
    ...steps.flatMap((node) => linesOf(node, '')),
    ...(ending.length === 0 ? [] : ['at every end:', ...ending.flatMap((node) => linesOf(node, '  '))]),
  ]
}

function linesOf(node: SequenceNode, indent: string): string[] {
  const { type, name, disabled, continueOnError, condition, original } = node
  const marks = [
    ...(disabled === true ? ['disabled'] : []),
    ...(continueOnError === true ? ['goes on after an error'] : []),
    ...(type === 'group' && node.sequence !== undefined ? [`the steps of ${node.sequence}`] : []),
  ]
  const kind = type === 'kept' ? `kept ${original?.class ?? 'step'}` : type
  const head = `${indent}${type === 'group' ? '+' : '-'} ${name}${type === 'group' ? '' : `: ${kind}`}${marks.length === 0 ? '' : ` [${marks.join(', ')}]`}`
  const inside = `${indent}    `
  return [
    head,
    ...(condition === undefined ? [] : [`${inside}if ${conditionInWords(condition)}`]),
    ...fieldsOf(node).map(([field, value]) => `${inside}${field}: ${cut(text(value))}`),
    ...(type === 'group' ? node.steps.flatMap((child) => linesOf(child, `${indent}  `)) : []),
  ]
}

const common = new Set([
  ...['type', 'name', 'description', 'disabled', 'continueOnError', 'condition', 'original', 'steps', 'sequence'],
])

const fieldsOf = (node: SequenceNode): [string, unknown][] => [
  ...(node.type === 'runTaskSequence' ? [['sequence', node.sequence] as [string, unknown]] : []),
  ...Object.entries(node).filter(([field, value]) => !common.has(field) && value !== undefined),
]

const text = (value: unknown): string => {
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) return value.join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function cut(value: string): string {
  const [line = '', ...others] = value.split('\n')
  const short = line.length > MAX_VALUE ? `${line.slice(0, MAX_VALUE)}…` : line
  return others.length === 0 ? short : `${short} … (${others.length + 1} lines)`
}
