/**
 * Where sequences lie in a document: bare, inside `SmsTaskSequencePackage`, as CDATA or escaped text
 * in the property `Sequence` of an exported instance, or in whatever wraps these
 * (task-sequence-xml §1). The wrapper does not count, only what is in it.
 *
 * N1. Text inside text is read at most `MAX_INNER` levels deep, each level within the reader's bounds.
 * N2. Properties of the package are taken from elements around the sequence, nearest first.
 */
import type { SourcePlace } from '@sluice/protocol'
import { firstChild, type XmlElement } from './element.ts'
import { readXml, type XmlBase, type XmlFault, type XmlText } from './read-xml.ts'
import { unescapeOnce } from './unescape.ts'

const MAX_INNER = 3
const MAX_SEQUENCES = 200
/** Children of an element that are looked at for properties; an instance has about 80. */
const MAX_PROPERTIES = 500

export interface FoundSequence {
  element: XmlElement
  /** Of the package that holds it, as in `Name`, `PackageID`. Only plain values that are not empty. */
  properties: Map<string, string>
  placeOf(offset: number): SourcePlace
}
export type FoundSequences = { ok: true; found: FoundSequence[] } | { ok: false; fault: XmlFault }

/** Finds every sequence of a text. A text that is wholly escaped (`&lt;sequence`) is read as what it stands for. */
export function findSequences(text: string, file: string): FoundSequences {
  const escaped = /^\s*&lt;/.test(text.slice(0, 1000))
  const found: FoundSequence[] = []
  const base: XmlBase = { file, line: 1, column: 1, exact: !escaped }
  const fault = collect({ text: escaped ? unescapeOnce(text) : text, base }, [], found, MAX_INNER)
  return fault === undefined ? { ok: true, found } : { ok: false, fault }
}

interface Source {
  text: string
  base: XmlBase
}

/** @param around elements of outer texts that this one lies in, the outermost first */
function collect(
  source: Source,
  around: readonly XmlElement[],
  found: FoundSequence[],
  levels: number,
): XmlFault | undefined {
  const read = readXml(source.text, source.base)
  if (!read.ok) return read.fault
  const { root, placeOf } = read.value
  const visit = (element: XmlElement, outer: readonly XmlElement[]): XmlFault | undefined => {
    if (element.name === 'sequence') {
      if (found.length >= MAX_SEQUENCES)
        return { place: placeOf(element.offset), message: `there are more than ${MAX_SEQUENCES} sequences` }
      found.push({ element, properties: new Map(outer.flatMap(propertiesOf)), placeOf }) // N2
      return undefined
    }
    const inside = [...outer, element]
    for (const child of element.children) {
      const fault = visit(child, inside)
      if (fault !== undefined) return fault
    }
    if (levels === 0 || !holdsSequence(element.text)) return undefined
    return collect(innerSource(element, source.text, read.value), inside, found, levels - 1) // N1
  }
  return visit(root, around)
}

/** Whether a text is a document that may have a sequence in it, also one that is escaped again. */
const holdsSequence = (text: string): boolean =>
  /^\s*<[!?a-z]/i.test(text.slice(0, 1000)) && /(<|lt;)sequence/.test(text)

/** Text in a CDATA section keeps its lines and columns; escaped text is told by where it begins. */
function innerSource(element: XmlElement, text: string, document: XmlText): Source {
  const opening = text.indexOf('>', element.offset) + 1
  const sign = '<![CDATA['
  const section = text.indexOf(sign, opening)
  const blanks = text.slice(opening, section < 0 ? opening : section)
  const exact = section >= 0 && blanks.trim() === ''
  const { file = '', line, column } = document.placeOf(exact ? section + sign.length : opening)
  const inner = exact ? element.text.slice(blanks.replaceAll('\r\n', '\n').length) : element.text
  return { text: inner, base: { file, line, column, exact } }
}

/**
 * Plain properties: `PROPERTY NAME="…"/VALUE` of an instance, and elements with nothing but text.
 * What begins with `__` is the server's own.
 */
export function propertiesOf(element: XmlElement): [string, string][] {
  return element.children
    .slice(0, MAX_PROPERTIES)
    .flatMap((child): [string, string][] => {
      const { name, attributes, children, text } = child
      if (name === 'PROPERTY') return [[attributes.get('NAME') ?? '', firstChild(child, 'VALUE')?.text ?? '']]
      return children.length === 0 && attributes.size === 0 ? [[name, text]] : []
    })
    .map(([name, value]): [string, string] => [name, value.trim()])
    .filter(([name, value]) => name !== '' && !name.startsWith('__') && value !== '' && !holdsSequence(value))
}
