/**
 * A native sequence as XML of Configuration Manager, or of the Microsoft Deployment Toolkit where it
 * came from there. A step that still says what its original says is written as that original, letter
 * for letter; one that was changed keeps everything else of it. What the XML has no place for is told.
 */
import type { Sequence, SequenceNode } from '@sluice/protocol'
import { formatPath, type Path } from '../sequence/path.ts'
import { same } from '../sequence/same.ts'
import { writeCondition } from './conditions.ts'
import { element, elementsIn, type XmlElement } from './element.ts'
import { globalVariables } from './global-variables.ts'
import { readKept } from './kept-xml.ts'
import { type Dialect, writeOriginal, writeVariable } from './original.ts'
import { readStep, stepForm } from './steps/index.ts'
import { fieldsOf, type Lost as LostField } from './steps/step-form.ts'
import { cdata, fitsXml, writeXml } from './write-xml.ts'

export interface Lost {
  /** As in `steps[2].package`. */
  path: string
  message: string
}
export interface ExportedSequence {
  text: string
  /** Fields that the XML has no place for. */
  lost: Lost[]
}

/** @returns a file that the console imports as `object.xml`, or `ts.xml` of the toolkit */
export function exportSequence(sequence: Sequence): ExportedSequence {
  const lost: Lost[] = []
  const tree = sequenceElement(sequence, (path, message) => lost.push({ path: formatPath(path), message }))
  for (const { attributes, text } of elementsIn(tree))
    if (![text, ...attributes.values()].every(fitsXml))
      lost.push({ path: '', message: `characters that XML cannot hold, in ${text.slice(0, 40)}` })
  if (tree.attributes.has('name')) return { text: `<?xml version="1.0"?>\n${writeXml(tree, { indent: true })}\n`, lost }
  return { text: instance(sequence, writeXml(tree)), lost }
}

type Lose = (path: Path, message: string) => void

/** The `<sequence>` alone. */
export function sequenceElement(sequence: Sequence, lose: Lose): XmlElement {
  const { original } = sequence
  const dialect = original?.dialect ?? 'configMgr'
  for (const field of ['confirmation', 'inputs', 'finally'] as const) {
    const value = sequence[field]
    if (value !== undefined && !(Array.isArray(value) && value.length === 0))
      lose([field], 'there is no such thing in the XML')
  }
  const references = original?.references ?? []
  const globals = globalVariables(sequence.variables, original?.globalVariables)
  return element(
    'sequence',
    {
      version: original === undefined ? '3.10' : original.version,
      ...(dialect === 'mdt' ? { name: sequence.name, description: sequence.description ?? '' } : {}),
      ...original?.attributes,
    },
    [
      ...(references.length === 0
        ? []
        : [
            element(
              'referenceList',
              {},
              references.map((each) => element('reference', each)),
            ),
          ]),
      ...(globals.length === 0 ? [] : [element('globalVarList', {}, globals.map(writeVariable))]),
      ...(original?.more ?? []).map(readKept),
      ...nodeElements(sequence.steps, ['steps'], dialect, lose),
    ],
  )
}

function nodeElements(nodes: readonly SequenceNode[], around: Path, dialect: Dialect, lose: Lose): XmlElement[] {
  return nodes.map((node, index) => {
    const path: Path = [...around, index]
    const { name, description = '', disabled, continueOnError } = node
    const common = {
      name,
      description,
      ...(disabled === true ? { disabled } : {}),
      ...(continueOnError === true ? { continueOnError } : {}),
    }
    const condition = node.condition === undefined ? undefined : writeCondition(node.condition)
    const original = originalOf(node, dialect, (field, why = 'the XML has no place for this') =>
      lose([...path, field], why),
    )
    const more = (original.more ?? []).map(readKept)
    const inside = node.type === 'group' ? nodeElements(node.steps, [...path, 'steps'], dialect, lose) : []
    return writeOriginal(node.type === 'group' ? 'group' : 'step', common, original, dialect, condition, [
      ...more,
      ...inside,
    ])
  })
}

/** What the step or group is in XML: its original, as far as that still says the same. */
function originalOf(node: SequenceNode, dialect: Dialect, lost: LostField) {
  const { original } = node
  if (node.type === 'group') return original ?? {}
  if (node.type === 'kept') return node.original
  if ('retry' in node && node.retry !== undefined) lost('retry')
  const form = stepForm(node.type)
  const read = original === undefined ? undefined : readStep(original)
  if (original === undefined || read?.type !== node.type) return form.write(node, { class: form.class }, dialect, lost)
  return same(read.fields, fieldsOf(node)) ? original : form.write(node, original, dialect, lost)
}

/** The package as the console exports it, with the properties that are known. */
function instance(sequence: Sequence, fragment: string): string {
  const properties: [string, string][] = [
    ...Object.entries(sequence.original?.properties ?? {}),
    ['Name', sequence.name],
    ['Description', sequence.description ?? ''],
  ]
  if (sequence.maximumRunTimeMinutes !== 120) properties.push(['Duration', String(sequence.maximumRunTimeMinutes)])
  if (sequence.estimatedRunTimeMinutes !== undefined)
    properties.push(['EstimatedRunTimeMinutes', String(sequence.estimatedRunTimeMinutes)])
  const lines = properties
    .filter(([, value]) => value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, value]) =>
        `  ${writeXml(element('PROPERTY', { NAME: name, TYPE: typeOf(value) }, [element('VALUE', {}, value)]))}`,
    )
  const own = `  <PROPERTY NAME="Sequence" TYPE="string"><VALUE>${cdata(fragment)}</VALUE></PROPERTY>`
  return ['<INSTANCE CLASSNAME="SMS_TaskSequencePackage">', ...lines, own, '</INSTANCE>', ''].join('\n')
}

const typeOf = (value: string): string =>
  /^\d+$/.test(value) ? 'uint32' : /^(TRUE|FALSE)$/.test(value) ? 'boolean' : 'string'
