/**
 * YAML or JSON text as plain values, with the place of everything in it. JSON is read as the YAML
 * it is. Anchors, aliases, tags and several documents are refused: a sequence is written out, so
 * that a small file cannot stand for a huge one.
 *
 * D1. Size, lines and nesting are checked before anything is built.
 * D2. Everything here takes time in proportion to the text, whatever the text is.
 */
import type { ProblemDetail, SourcePlace } from '@sluice/protocol'
import { isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, type Node, parseDocument } from 'yaml'
import { formatPath, type Path } from './path.ts'

/** Characters of a sequence file; the admin route takes no more either. */
export const MAX_TEXT_LENGTH = 2 * 1024 * 1024
const MAX_LINES = 200_000
/** Lists and maps inside each other; a group takes two levels. */
export const MAX_DEPTH = 100

export interface SourceDocument {
  value: unknown
  /** Where the value at a path stands, or the nearest thing around it that is there. */
  placeOf(path: Path): SourcePlace
  /** Where the name of a field stands. */
  placeOfField(path: Path): SourcePlace
}

export type ReadDocument = { ok: true; document: SourceDocument } | { ok: false; faults: ProblemDetail[] }

/** Reads a text within the bounds above. `file` is for the places of faults only. */
export function readDocument(text: string, file: string): ReadDocument {
  const tooMuch = exceeds(text)
  if (tooMuch !== undefined)
    return { ok: false, faults: [{ place: { file, line: 1, column: 1 }, path: '', message: tooMuch }] }

  const lines = new LineCounter()
  // D2: the parser's own check for double keys is quadratic; `Reading` does it.
  const parsed = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    version: '1.2',
    schema: 'core',
  })
  const placeAt = (offset: number | undefined): SourcePlace => {
    const { line, col } = lines.linePos(offset ?? 0)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const faults: ProblemDetail[] = [...parsed.errors, ...parsed.warnings].map((error) => ({
    place: placeAt(error.pos[0]),
    path: '',
    message: error.message,
  }))
  if (faults.length > 0) return { ok: false, faults }

  const reading = new Reading(placeAt)
  const value = reading.value(parsed.contents, [])
  if (reading.faults.length > 0) return { ok: false, faults: reading.faults }
  const root = parsed.contents
  return {
    ok: true,
    document: {
      value,
      placeOf: (path) => placeAt(find(root, path).node?.range?.[0]),
      placeOfField: (path) => {
        const { key, node } = find(root, path)
        return placeAt((key ?? node)?.range?.[0])
      },
    },
  }
}

/** D1 */
function exceeds(text: string): string | undefined {
  if (text.length > MAX_TEXT_LENGTH) return `the file is longer than ${MAX_TEXT_LENGTH} characters`
  let lineCount = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    lineCount++
    if (lineCount > MAX_LINES) return `the file has more than ${MAX_LINES} lines`
  }
  let brackets = 0
  let dashes = 0
  let scalarNext = false
  for (const token of new Lexer().lex(text)) {
    if (scalarNext) {
      scalarNext = false
      continue
    }
    if (token === '\x1f') scalarNext = true
    else if (token === '[' || token === '{') brackets++
    else if (token === ']' || token === '}') brackets--
    else if (token === '-' || token === '?') dashes++
    else if (token.includes('\n')) dashes = 0
    if (brackets > MAX_DEPTH || dashes > MAX_DEPTH) return tooDeep
  }
  return undefined
}

const tooDeep = `lists and maps are nested deeper than ${MAX_DEPTH} levels`

/** Turns nodes into plain values and keeps what is refused on the way. */
class Reading {
  readonly faults: ProblemDetail[] = []
  readonly #placeAt: (offset: number | undefined) => SourcePlace

  constructor(placeAt: (offset: number | undefined) => SourcePlace) {
    this.#placeAt = placeAt
  }

  value(node: unknown, path: Path): unknown {
    if (node === null || node === undefined) return null
    if (isAlias(node)) return this.#refuse(node, path, 'aliases (`*name`) are not supported: write the value out')
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return this.#refuse(undefined, path, 'this cannot be read')
    if (node.anchor !== undefined) return this.#refuse(node, path, 'anchors (`&name`) are not supported')
    if (node.tag !== undefined) return this.#refuse(node, path, 'tags (`!name`) are not supported')
    if (isScalar(node)) return node.value
    if (path.length >= MAX_DEPTH) return this.#refuse(node, path, tooDeep)
    if (isSeq(node)) return node.items.map((item, index) => this.value(item, [...path, index]))

    const fields = new Map<string, unknown>()
    for (const pair of node.items) {
      const key = pair.key
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.#refuse(key as Node, path, 'the name of a field must be plain text')
        continue
      }
      const inside = [...path, key.value]
      if (fields.has(key.value)) this.#refuse(key, inside, `the field "${key.value}" is there twice`)
      else fields.set(key.value, this.value(pair.value, inside))
    }
    return Object.fromEntries(fields)
  }

  #refuse(node: Node | undefined, path: Path, message: string): undefined {
    this.faults.push({ place: this.#placeAt(node?.range?.[0]), path: formatPath(path), message })
    return undefined
  }
}

function find(root: unknown, path: Path): { key: Node | undefined; node: Node | undefined } {
  let key: Node | undefined
  let node = root as Node | undefined
  for (const part of path) {
    let next: unknown
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part)
      if (pair === undefined) break
      key = pair.key as Node
      next = pair.value ?? pair.key
    } else if (isSeq(node)) next = node.items[Number(part)]
    if (next === undefined || next === null) break
    if (isSeq(node)) key = undefined
    node = next as Node
  }
  return { key, node }
}
