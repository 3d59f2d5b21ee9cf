/**
 * Steps and groups between their XML and what a sequence keeps of it. What both dialects write on
 * every step (name, description, disabled, continue on error) becomes native fields; everything
 * else is kept as it is, blanks around values aside (task-sequence-xml §9.8).
 */
import type { OriginalStep, OriginalVariable } from '@sluice/protocol'
import { element, type XmlElement } from './element.ts'
import { writeXml } from './write-xml.ts'

export type Dialect = 'configMgr' | 'mdt'

export interface CommonFields {
  name: string
  description?: string
  disabled?: true
  continueOnError?: true
}

const MAX_NAME_LENGTH = 100
const MAX_DESCRIPTION_LENGTH = 256
const commonAttributes = new Set(['type', 'name', 'description', 'disable', 'continueOnError'])

/** @param fallback a name for what has none */
export function readCommon(node: XmlElement, fallback: string): CommonFields {
  const { name, description } = displayed(node)
  return {
    name: name === '' ? fallback : cut(name, MAX_NAME_LENGTH),
    ...(description === '' ? {} : { description: cut(description, MAX_DESCRIPTION_LENGTH) }),
    ...(isTrue(node.attributes.get('disable')) ? { disabled: true } : {}),
    ...(isTrue(node.attributes.get('continueOnError')) ? { continueOnError: true } : {}),
  }
}

/** As they are, blanks at their ends included: names are shown, logged and compared. */
const displayed = (node: XmlElement): { name: string; description: string } => {
  const shown = (attribute: string): string => {
    const text = node.attributes.get(attribute) ?? ''
    return text.trim() === '' ? '' : text
  }
  return { name: shown('name'), description: shown('description') }
}

const cut = (text: string, length: number): string => {
  if (text.length <= length) return text
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

export const isTrue = (value: string | undefined): boolean => /^(true|yes|1)$/i.test(value?.trim() ?? '')

/** Everything of a step or group that is neither a common field, nor its condition, nor a step in it. */
export function readOriginal(node: XmlElement): OriginalStep {
  const type = node.attributes.get('type')?.trim()
  const attributes = new Map([...node.attributes].filter(([name]) => !commonAttributes.has(name)))
  const { name, description } = displayed(node)
  if (name.length > MAX_NAME_LENGTH) attributes.set('name', name)
  if (description.length > MAX_DESCRIPTION_LENGTH) attributes.set('description', description)
  const original: OriginalStep = {}
  if (type !== undefined && type !== '') original.class = type
  if (node.name === 'subtasksequence') original.element = 'subtasksequence'
  if (attributes.size > 0) original.attributes = Object.fromEntries(attributes)
  const more: string[] = []
  for (const child of node.children) {
    if (child.name === 'condition' || isNode(child)) continue
    if (child.name === 'action' && original.action === undefined && child.children.length === 0)
      original.action = child.text.trim()
    else if (child.name === 'defaultVarList' && child.children.every((inner) => inner.name === 'variable'))
      original.variables = [...(original.variables ?? []), ...child.children.map(readVariable)]
    else more.push(writeXml(child))
  }
  if (more.length > 0) original.more = more
  return original
}

export const isNode = ({ name }: XmlElement): boolean =>
  name === 'group' || name === 'step' || name === 'subtasksequence'

const variableAttributes = new Set(['name', 'property', 'hidden'])

export function readVariable(variable: XmlElement): OriginalVariable {
  const { attributes } = variable
  const property = attributes.get('property')
  const hidden = attributes.get('hidden')?.trim().toLowerCase()
  const known = hidden === undefined || hidden === 'true' || hidden === 'false'
  const others = [...attributes].filter(([name]) => !variableAttributes.has(name) || (name === 'hidden' && !known))
  return {
    name: attributes.get('name')?.trim() ?? '',
    value: textOf(variable),
    ...(property === undefined ? {} : { property }),
    ...(hidden === undefined || !known ? {} : { hidden: hidden === 'true' }),
    ...(others.length === 0 ? {} : { attributes: Object.fromEntries(others) }),
  }
}

/** Elements inside a value are a document that was not escaped; blanks count in scripts only. */
export function textOf(variable: XmlElement): string {
  if (variable.children.length > 0)
    return variable.text.trim() + variable.children.map((child) => writeXml(child)).join('')
  return variable.attributes.get('name')?.endsWith('SourceScript') === true ? variable.text : variable.text.trim()
}

/**
 * The step or group as XML: attributes and children in the order in which each dialect writes them.
 * @param more what stands behind that: kept elements, the steps of a group
 */
export function writeOriginal(
  tag: 'group' | 'step',
  common: CommonFields,
  original: OriginalStep,
  dialect: Dialect,
  condition: XmlElement | undefined,
  more: readonly XmlElement[],
): XmlElement {
  const { name, description, ...attributes } = original.attributes ?? {}
  const isMdt = dialect === 'mdt'
  const flag = (value: true | undefined): string | undefined => (value === true ? 'true' : isMdt ? 'false' : undefined)
  const variables = original.variables?.map((variable) => writeVariable(variable))
  const list = variables === undefined ? [] : [element('defaultVarList', {}, variables)]
  const action = original.action === undefined ? [] : [element('action', {}, original.action)]
  const conditions = condition === undefined ? [] : [condition]
  const known = isMdt ? [...list, ...action, ...conditions] : [...conditions, ...action, ...list]
  return element(
    original.element ?? tag,
    {
      type: original.class,
      name: uncut(name, common.name, MAX_NAME_LENGTH),
      description: uncut(description, common.description ?? '', MAX_DESCRIPTION_LENGTH),
      disable: flag(common.disabled),
      continueOnError: flag(common.continueOnError),
      ...attributes,
    },
    [...known, ...more],
  )
}

/** The whole text again, as long as what was cut from it is still what it was cut to. */
const uncut = (whole: string | undefined, present: string, length: number): string =>
  whole !== undefined && cut(whole, length) === present ? whole : present

export function writeVariable({ name, property, hidden, value, attributes }: OriginalVariable): XmlElement {
  return element('variable', { name, property, hidden: hidden?.toString(), ...attributes }, value)
}
