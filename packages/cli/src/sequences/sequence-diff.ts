/**
 * What changed between two sequences, as their author thinks of it: steps added, removed, changed, moved.
 * Names are no keys (they repeat), so steps are matched in this order:
 *
 * D1. Inside groups that match, by type and name: the longest common run of steps.
 * D2. What is left, by type and name, wherever it stands: it was moved.
 * D3. What is left, by equal fields under another name: it was renamed.
 * D4. A step is moved when it is in another group than before, or changed places with others there. What is
 *     in a moved group is not told again.
 */
import { formatPath, nodesOf, type Path } from '@sluice/engine'
import type { Sequence, SequenceNode } from '@sluice/protocol'
import { diffArrays, diffLines } from 'diff'

export interface ChangedField {
  field: string
  /** Absent: the field was not there. */
  from?: unknown
  to?: unknown
}
export interface NamedPlace {
  path: string
  type: SequenceNode['type']
  name: string
}
export interface SequenceDiff {
  /** Fields of the document itself. */
  document: ChangedField[]
  added: NamedPlace[]
  removed: NamedPlace[]
  changed: (NamedPlace & { fields: ChangedField[] })[]
  moved: (NamedPlace & { from: string })[]
}

/** More differences than that are matched by D2 and D3 alone: the search for the longest run would take too long. */
const MAX_EDITS = 2_000

interface Entry {
  node: SequenceNode
  path: Path
  parent: Entry | undefined
  children: Entry[]
}

export function diffSequences(a: Sequence, b: Sequence): SequenceDiff {
  const [before, after] = [entriesOf(a), entriesOf(b)]
  const matching = new Matching()
  for (const part of ['steps', 'finally']) matching.match(topOf(before, part), topOf(after, part))
  for (const keyOf of [keyOfName, keyOfFields]) matching.matchRest(before, after, keyOf)
  const { pairs, taken, inPlace } = matching
  const diff: SequenceDiff = {
    document: changedFields(withoutNodes(a), withoutNodes(b)),
    added: after.filter((entry) => !taken.has(entry)).map(placeOf),
    removed: before.filter((entry) => !pairs.has(entry)).map(placeOf),
    changed: [],
    moved: [],
  }
  for (const from of before) {
    const to = pairs.get(from)
    if (to === undefined) continue
    const fields = changedFields(ownFields(from.node), ownFields(to.node))
    if (fields.length > 0) diff.changed.push({ ...placeOf(to), fields })
    const isRenamed = from.node.name !== to.node.name
    const sameGroup = from.parent === undefined ? to.parent === undefined : pairs.get(from.parent) === to.parent
    if (!inPlace.has(from) && !(isRenamed && sameGroup))
      diff.moved.push({ ...placeOf(to), from: formatPath(from.path) }) // D4
  }
  return diff
}

class Matching {
  readonly pairs = new Map<Entry, Entry>()
  /** Those of the second sequence that have a partner. */
  readonly taken = new Set<Entry>()
  /** Those of the first that stand where they stood. */
  readonly inPlace = new Set<Entry>()

  /** D1 */
  match(before: readonly Entry[], after: readonly Entry[]): void {
    for (const [from, to] of commonRun(before, after))
      if (!this.pairs.has(from) && !this.taken.has(to)) {
        this.inPlace.add(from)
        this.#pair(from, to)
      }
  }

  /** D2, D3. A group comes before what is in it, so its steps are matched with it. */
  matchRest(before: readonly Entry[], after: readonly Entry[], keyOf: (entry: Entry) => string): void {
    const left = new Map<string, Entry[]>()
    for (const entry of after) if (!this.taken.has(entry)) push(left, keyOf(entry), entry)
    for (const entry of before) {
      if (this.pairs.has(entry)) continue
      const candidates = left.get(keyOf(entry)) ?? []
      let found = candidates.shift()
      while (found !== undefined && this.taken.has(found)) found = candidates.shift()
      if (found !== undefined) this.#pair(entry, found)
    }
  }

  #pair(from: Entry, to: Entry): void {
    this.pairs.set(from, to)
    this.taken.add(to)
    this.match(from.children, to.children)
  }
}

function entriesOf(sequence: Sequence): Entry[] {
  const byPath = new Map<string, Entry>()
  return [...nodesOf(sequence)].map(({ node, path }) => {
    const parent = byPath.get(formatPath(path.slice(0, -2)))
    const entry: Entry = { node, path, parent, children: [] }
    parent?.children.push(entry)
    byPath.set(formatPath(path), entry)
    return entry
  })
}

const topOf = (entries: readonly Entry[], part: string): Entry[] =>
  entries.filter(({ parent, path }) => parent === undefined && path[0] === part)

function commonRun(before: readonly Entry[], after: readonly Entry[]): [Entry, Entry][] {
  const parts = diffArrays(before.map(keyOfName), after.map(keyOfName), { maxEditLength: MAX_EDITS }) ?? []
  const common: [Entry, Entry][] = []
  let [at, beside] = [0, 0]
  for (const { value, added, removed } of parts) {
    if (added) beside += value.length
    else if (removed) at += value.length
    else
      for (const _ of value) {
        const [from, to] = [before[at++], after[beside++]]
        if (from !== undefined && to !== undefined) common.push([from, to])
      }
  }
  return common
}

const keyOfName = ({ node }: Entry): string => JSON.stringify([node.type, node.name])
const keyOfFields = ({ node }: Entry): string => {
  const { name: _, ...fields } = ownFields(node)
  const inside = node.type === 'group' ? node.steps.map(({ type, name }) => [type, name]) : []
  return JSON.stringify([fields, inside])
}

const placeOf = ({ node, path }: Entry): NamedPlace => ({ path: formatPath(path), type: node.type, name: node.name })

function ownFields(node: SequenceNode): Record<string, unknown> {
  if (node.type !== 'group') return node
  const { steps: _, ...fields } = node
  return fields
}

function withoutNodes({ steps: _, finally: __, ...fields }: Sequence): Record<string, unknown> {
  return fields
}

function changedFields(from: Record<string, unknown>, to: Record<string, unknown>): ChangedField[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])]
  return names
    .filter((name) => sorted(from[name]) !== sorted(to[name]))
    .map((field) => ({
      field,
      ...(from[field] === undefined ? {} : { from: from[field] }),
      ...(to[field] === undefined ? {} : { to: to[field] }),
    }))
}

/** The order of fields means nothing. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  ) ?? ''

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const present = map.get(key)
  if (present === undefined) map.set(key, [value])
  else present.push(value)
}

/** For people; texts of several lines by their lines. */
export function diffLinesOf({ document, added, removed, changed, moved }: SequenceDiff): string[] {
  const lines = [
    ...document.flatMap(fieldLines),
    ...removed.map((one) => `removed ${placeText(one)}`),
    ...added.map((one) => `added ${placeText(one)}`),
    ...moved.map((one) => `moved ${placeText(one)}, from ${one.from}`),
    ...changed.flatMap((one) => [
      `changed ${placeText(one)}`,
      ...one.fields.flatMap(fieldLines).map((line) => `  ${line}`),
    ]),
  ]
  return lines.length === 0 ? ['Nothing changed.'] : lines
}

const placeText = ({ path, type, name }: NamedPlace): string => `${path} ${name} (${type})`

const UNCHANGED_AROUND = 2

function fieldLines({ field, from, to }: ChangedField): string[] {
  const [old, now] = [textOf(from), textOf(to)]
  if (!old.includes('\n') && !now.includes('\n'))
    return [`${field}:`, ...(from === undefined ? [] : [`- ${old}`]), ...(to === undefined ? [] : [`+ ${now}`])]
  const lines = (diffLines(old, now, { maxEditLength: MAX_EDITS }) ?? []).flatMap(({ value, added, removed }) =>
    value
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => `${added ? '+' : removed ? '-' : ' '} ${line}`),
  )
  if (lines.length === 0) return [`${field}: changed nearly throughout`]
  const isNear = (index: number): boolean =>
    lines
      .slice(Math.max(0, index - UNCHANGED_AROUND), index + UNCHANGED_AROUND + 1)
      .some((line) => !line.startsWith(' '))
  const shown = lines.map((line, index) => (isNear(index) ? line : '  …'))
  return [`${field}:`, ...shown.filter((line, index) => line !== '  …' || shown[index - 1] !== line)]
}

const textOf = (value: unknown): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value, null, isShort(value) ? 0 : 2)
const isShort = (value: unknown): boolean => JSON.stringify(value).length <= 100
