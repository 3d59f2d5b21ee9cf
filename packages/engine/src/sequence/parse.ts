/**
 * A sequence file, read: the document, or every fault in it with file, line, column and path.
 * Nothing of a faulty file is used.
 */
import {
  failed,
  ok,
  type PackageId,
  type Problem,
  type ProblemDetail,
  problem,
  type Result,
  Sequence,
  type SourcePlace,
} from '@sluice/protocol'
import { canonicalJson } from './canonical-json.ts'
import { MAX_DEPTH, MAX_TEXT_LENGTH, readDocument, type SourceDocument } from './document.ts'
import { check, type Fault } from './faults.ts'
import { references } from './nodes.ts'
import { formatPath, type Path } from './path.ts'
import { applyRules } from './rules.ts'

/** Of more faults than that, the rest is only counted. */
const MAX_FAULTS = 100

export interface ParsedSequence {
  sequence: Sequence
  /** What does not hinder it from running. */
  warnings: ProblemDetail[]
  /** Where the value at a path of the document stands in the file. */
  placeOf(path: Path): SourcePlace
}

/**
 * Reads the native form, YAML or JSON.
 * @param source `file` is for messages only; `text` at most 2 Mi characters
 * @returns `SEQUENCE_INVALID` with every fault (at most 100) in `errors`
 */
export function parseSequence(source: { file: string; text: string }): Result<ParsedSequence> {
  const read = readDocument(source.text, source.file)
  if (!read.ok) return refused(source.file, read.faults)
  const { document } = read
  const checked = check(Sequence, document.value)
  if (!checked.ok) return refused(source.file, place(checked.faults, document))
  const { faults, warnings } = applyRules(checked.value)
  if (faults.length > 0) return refused(source.file, place(faults, document))
  return ok({ sequence: checked.value, warnings: place(warnings, document), placeOf: document.placeOf })
}

/**
 * Compares what the sequence references with the packages that exist.
 * @param parsed without `placeOf` where there is no file
 * @returns `SEQUENCE_REFERENCE_MISSING` with each place, or undefined
 */
export function checkReferences(
  parsed: Pick<ParsedSequence, 'sequence'> & { placeOf?: ParsedSequence['placeOf'] | undefined },
  known: ReadonlySet<PackageId>,
): Problem | undefined {
  const missing = references(parsed.sequence).filter(({ packageId }) => !known.has(packageId))
  if (missing.length === 0) return undefined
  const errors = missing.slice(0, MAX_FAULTS).map(({ packageId, path }) => ({
    ...(parsed.placeOf === undefined ? {} : { place: parsed.placeOf(path) }),
    path: formatPath(path),
    message: `there is no package ${packageId}`,
  }))
  const ids = [...new Set(missing.map(({ packageId }) => packageId))]
  return problem('SEQUENCE_REFERENCE_MISSING', `Not there: ${ids.slice(0, 20).join(', ')}.`, { errors })
}

/** The bytes of a sequence that are hashed, signed and stored. The same sequence gives the same bytes. */
export const writeSequence = (sequence: Sequence): Uint8Array => canonicalJson(sequence)

/**
 * Reads a sequence back from its signed bytes, with the same bounds and rules as a file.
 * `SEQUENCE_INVALID` when they are not what `writeSequence` makes.
 */
export function readSequence(bytes: Uint8Array): Result<Sequence> {
  const wrong = (why: string): Result<never> => failed(problem('SEQUENCE_INVALID', why))
  // JSON of a text of that length; no character takes more than three bytes of UTF-8 each.
  if (bytes.length > 3 * MAX_TEXT_LENGTH) return wrong('The signed sequence is too large.')
  if (nesting(bytes) > MAX_DEPTH) return wrong('The signed sequence is nested too deeply.')
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return wrong('The signed sequence is not JSON.')
  }
  const checked = check(Sequence, value)
  if (!checked.ok)
    return wrong(summary(checked.faults.map(({ path, message }) => ({ path: formatPath(path), message }))))
  const { faults } = applyRules(checked.value)
  if (faults.length > 0) return wrong(summary(faults.map(({ path, message }) => ({ path: formatPath(path), message }))))
  return ok(checked.value)
}

/** A fault as one line: `upgrade.yaml:12:5: steps[0].name: is missing; expected text`. */
export function formatDetail(detail: ProblemDetail): string {
  const { place } = detail
  const where =
    place === undefined ? '' : `${place.file === undefined ? '' : `${place.file}:`}${place.line}:${place.column}: `
  return `${where}${detail.path === '' ? '' : `${detail.path}: `}${detail.message}`
}

const place = (faults: Fault[], document: SourceDocument): ProblemDetail[] =>
  faults
    .slice(0, MAX_FAULTS + 1)
    .map(({ path, message, atField }) => ({
      place: atField === true ? document.placeOfField(path) : document.placeOf(path),
      path: formatPath(path),
      message,
    }))
    .sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)

function refused(file: string, faults: ProblemDetail[]): Result<never> {
  const errors = faults.slice(0, MAX_FAULTS)
  const more = faults.length > MAX_FAULTS ? ' There are more faults than are listed.' : ''
  return failed(problem('SEQUENCE_INVALID', `${file}: ${summary(errors)}${more}`, { errors }))
}

function summary(faults: ProblemDetail[]): string {
  const [first] = faults
  const others = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''
  return first === undefined ? '' : `${first.path === '' ? '' : `${first.path}: `}${first.message}${others}`
}

/** How deep brackets are nested in JSON bytes, without building anything. */
function nesting(bytes: Uint8Array): number {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (inText) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) inText = false
    } else if (byte === 0x22) inText = true
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth)
    else if (byte === 0x5d || byte === 0x7d) depth--
  }
  return deepest
}
