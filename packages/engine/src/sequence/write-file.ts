/** A sequence as a file that people edit: YAML in a fixed order of fields, nothing that only says the default. */
import type { Sequence, SequenceNode } from '@sluice/protocol'
import { Document, isMap, isSeq, visit } from 'yaml'

/** The text reads back (`parseSequence`) as the same sequence. */
export function writeSequenceFile(sequence: Sequence): string {
  const { steps, finally: ending, original, inputs, maximumRunTimeMinutes, ...others } = sequence
  const document = new Document(
    plain({
      ...others,
      ...(maximumRunTimeMinutes === 120 ? {} : { maximumRunTimeMinutes }),
      ...(inputs.length === 0 ? {} : { inputs }),
      steps: steps.map(inOrder),
      finally: ending?.map(inOrder),
      original,
    }),
    { aliasDuplicateObjects: false, version: '1.2', schema: 'core' },
  )
  // What a person rarely reads takes a line each.
  visit(document, {
    Pair(_, { key, value }) {
      const name = String(key)
      if (name === 'attributes' && isMap(value)) value.flow = true
      if ((name === 'variables' || name === 'globalVariables' || name === 'references') && isSeq(value))
        for (const item of value.items) if (isMap(item)) item.flow = true
    },
  })
  return document.toString({ lineWidth: 0, flowCollectionPadding: true })
}

/** Its own fields first, then what is in it, then where it comes from. */
function inOrder(node: SequenceNode): Record<string, unknown> {
  const { original, ...fields } = node
  if (fields.type !== 'group') return { ...fields, original }
  const { steps, ...group } = fields
  return { ...group, original, steps: steps.map(inOrder) }
}

/** Without fields that are undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
