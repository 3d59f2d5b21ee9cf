/**
 * What is in the XML of a sequence, counted another way than the import does: parser events alone, no
 * tree, nothing of the code under test.
 */
import { SaxesParser } from 'saxes'

export interface Walk {
  steps: number
  groups: number
  subSequences: number
  conditions: number
  expressions: number
  variables: number
  /** By the rule of the original: a group at its start and at its end, a step once (task-sequence-xml §8.1). */
  instructions: string[]
  /** Every `<variable>` of steps and lists, as text, sorted; operands of conditions are not among them. */
  values: string[]
}

/** Walks the first sequence of a text; one in CDATA is found by what it begins with. */
export function walk(text: string): Walk {
  const counts = new Map<string, number>()
  const instructions: string[] = []
  const groups: string[] = []
  const values: string[] = []
  let inSequence = 0
  let inCondition = 0
  let variable: { attributes: Record<string, string>; text: string } | undefined
  const inner: string[] = []
  const parser = new SaxesParser()
  parser.on('error', (error) => {
    throw error
  })
  parser.on('opentag', ({ name, attributes }) => {
    if (name === 'sequence') inSequence++
    if (inSequence === 0) return
    counts.set(name, (counts.get(name) ?? 0) + 1)
    if (name === 'condition' || name === 'expression') inCondition++
    if (name === 'group') groups.push(attributes.name ?? '')
    if (name === 'group' || name === 'step' || name === 'subtasksequence') instructions.push(attributes.name ?? '')
    if (name === 'variable' && inCondition === 0) variable = { attributes, text: '' }
  })
  parser.on('text', (part) => {
    if (variable !== undefined) variable.text += part
  })
  parser.on('cdata', (part) => {
    if (inSequence === 0) inner.push(part)
    else if (variable !== undefined) variable.text += part
  })
  parser.on('closetag', ({ name }) => {
    if (inSequence === 0) return
    if (name === 'sequence') inSequence--
    if (name === 'condition' || name === 'expression') inCondition--
    if (name === 'group') instructions.push(groups.pop() ?? '')
    if (name !== 'variable' || variable === undefined) return
    const { attributes, text: value } = variable
    values.push([attributes.name, attributes.property ?? '', attributes.hidden ?? '', value.trim()].join(' | '))
    variable = undefined
  })
  parser.write(text).close()
  const inCdata = inner.join('')
  if (!counts.has('sequence') && inCdata.includes('<sequence')) return walk(inCdata)
  const of = (name: string): number => counts.get(name) ?? 0
  return {
    steps: of('step'),
    groups: of('group'),
    subSequences: of('subtasksequence'),
    conditions: of('condition'),
    expressions: of('expression'),
    variables: of('variable'),
    instructions,
    values: values.sort(),
  }
}
