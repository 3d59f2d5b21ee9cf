/**
 * XML text as a tree, within bounds. Owns what may be in a text at all; knows nothing of sequences.
 *
 * X1. No document type: with it go external entities, entities of one's own and everything that
 *     makes a small text large. It is refused before anything behind it is read.
 * X2. Length, depth, number of elements and attributes are bounded, and checked while reading.
 * X3. Nothing here recurses, and everything takes time in proportion to the text.
 * X4. A fault says line and column, counted from 1 in the text as it was given.
 */
import type { SourcePlace } from '@sluice/protocol'
import { SaxesParser } from 'saxes'
import type { XmlElement } from './element.ts'

/** Characters of an XML file; a sequence of 300 kB is a large one. */
export const MAX_XML_LENGTH = 8 * 1024 * 1024
const MAX_XML_DEPTH = 200
const MAX_ELEMENTS = 300_000
const MAX_ATTRIBUTES = 64

export interface XmlFault {
  place: SourcePlace
  message: string
}
export interface XmlText {
  root: XmlElement
  /** Where the character at an offset of the text stands. */
  placeOf(offset: number): SourcePlace
}
export type ReadXml = { ok: true; value: XmlText } | { ok: false; fault: XmlFault }

/**
 * Where a text begins: a text inside another one (CDATA) tells its places in the outer one's lines.
 * `exact: false` when the outer text spells it with other characters; then only its beginning is told.
 */
export interface XmlBase {
  file: string
  line: number
  column: number
  exact: boolean
}

class Refusal extends Error {
  readonly offset: number
  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** Reads a whole text. A byte order mark, and comments or blanks before an XML declaration, are passed over. */
export function readXml(given: string, base: XmlBase): ReadXml {
  const placeOf = places(given, base)
  const refused = (offset: number, message: string): ReadXml => ({
    ok: false,
    fault: { place: placeOf(offset), message },
  })
  if (given.length > MAX_XML_LENGTH) return refused(0, `the text is longer than ${MAX_XML_LENGTH} characters`) // X2
  const tree = new Tree()
  try {
    const parser = new SaxesParser({ position: false })
    const at = (): number => Math.max(0, Math.min(parser.position, given.length) - 1)
    parser.on('error', (error) => {
      throw tree.explain(error.message, at())
    })
    parser.on('opentagstart', (tag) => tree.open(tag.name, Math.max(0, given.lastIndexOf('<', at()))))
    parser.on('attribute', ({ name, value }) => tree.attribute(name, value))
    parser.on('text', (text) => tree.text(text))
    parser.on('cdata', (text) => tree.text(text))
    parser.on('closetag', () => tree.close())
    const text = withoutProlog(given)
    refuseDocumentType(text)
    parser.write(text).close()
  } catch (error) {
    if (error instanceof Refusal) return refused(error.offset, error.message)
    throw error
  }
  return tree.root === undefined ? refused(0, 'there is no element') : { ok: true, value: { root: tree.root, placeOf } }
}

/** Builds the tree and counts. */
class Tree {
  root: XmlElement | undefined
  readonly #open: XmlElement[] = []
  readonly #texts: string[][] = []
  #lastClosed: XmlElement | undefined
  #count = 0

  open(name: string, offset: number): void {
    if (this.#open.length >= MAX_XML_DEPTH)
      throw new Refusal(`elements are nested deeper than ${MAX_XML_DEPTH} levels`, offset) // X2
    if (++this.#count > MAX_ELEMENTS) throw new Refusal(`there are more than ${MAX_ELEMENTS} elements`, offset) // X2
    const made: XmlElement = { name, attributes: new Map(), children: [], text: '', offset }
    const parent = this.#open.at(-1)
    if (parent === undefined) this.root ??= made
    else parent.children.push(made)
    this.#open.push(made)
    this.#texts.push([])
  }

  attribute(name: string, value: string): void {
    const present = this.#open.at(-1)
    if (present === undefined) return
    if (present.attributes.has(name))
      throw new Refusal(`<${brief(present.name)}> has the attribute ${brief(name)} twice`, present.offset)
    if (present.attributes.size >= MAX_ATTRIBUTES)
      throw new Refusal(`<${brief(present.name)}> has more than ${MAX_ATTRIBUTES} attributes`, present.offset) // X2
    present.attributes.set(name, value)
  }

  text(text: string): void {
    this.#texts.at(-1)?.push(text)
  }

  close(): void {
    const closed = this.#open.pop()
    this.#lastClosed = closed
    const texts = this.#texts.pop()
    if (closed === undefined || texts === undefined) return
    const text = texts.length === 1 ? (texts[0] ?? '') : texts.join('')
    // Between elements, blanks are layout.
    closed.text = closed.children.length > 0 && text.trim() === '' ? '' : text
  }

  /** The parser's words, and what is open where it stopped. */
  explain(message: string, offset: number): Refusal {
    const inside = this.#open.at(-1)
    // At a closing tag that does not fit, the parser closes what stands open before it complains.
    const open = message.startsWith('unexpected close tag') ? (this.#lastClosed ?? inside) : inside
    if (open !== undefined && /^un(closed|expected close) tag/.test(message))
      return new Refusal(`<${brief(open.name)}> is not closed`, open.offset)
    const where = inside === undefined ? '' : ` (in <${brief(inside.name)}>)`
    return new Refusal(`${brief(message.replace(/\.$/, ''))}${where}`, offset)
  }
}

/**
 * Comments and blanks before `<?xml` are not allowed in XML, and occur: they are passed over. The
 * length stays the same, so that places stay right.
 */
function withoutProlog(text: string): string {
  const at = passOver(text, [['<!--', '-->']])
  if (at === 0 || !/^<\?xml\s/.test(text.slice(at, at + 6))) return text
  const end = text.indexOf('?>', at)
  return end < 0 ? text : text.slice(0, at) + ' '.repeat(end + 2 - at) + text.slice(end + 2)
}

/** X1. Before the first element only blanks, comments and instructions may stand. */
function refuseDocumentType(text: string): void {
  const at = passOver(text, [
    ['<!--', '-->'],
    ['<?', '?>'],
  ])
  if (/^<!DOCTYPE/i.test(text.slice(at, at + 9)))
    throw new Refusal('a document type (<!DOCTYPE>) is not allowed: it can bring in entities and other files', at)
}

/** Where the text goes on behind blanks, a byte order mark and everything between one of these signs. */
function passOver(text: string, signs: [string, string][]): number {
  let at = text.startsWith('\ufeff') ? 1 : 0
  for (;;) {
    while (/\s/.test(text.charAt(at))) at++
    const found = signs.find(([start]) => text.startsWith(start, at))
    const end = found === undefined ? -1 : text.indexOf(found[1], at + found[0].length)
    if (found === undefined || end < 0) return at
    at = end + found[1].length
  }
}

const brief = (name: string): string => (name.length > 80 ? `${name.slice(0, 80)}…` : name)

/** Lines are counted only when somebody asks. */
function places(text: string, base: XmlBase): (offset: number) => SourcePlace {
  let starts: number[] | undefined
  return (offset) => {
    const { file } = base
    if (!base.exact) return { file, line: base.line, column: base.column }
    if (starts === undefined) {
      starts = [0]
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
    }
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    const column = offset - (starts[low] ?? 0) + 1
    return { file, line: base.line + low, column: low === 0 ? base.column + column - 1 : column }
  }
}
