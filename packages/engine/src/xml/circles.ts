/** Sequences of one import that call each other in a circle: running one would never end. */
import type { Sequence } from '@sluice/protocol'
import { nodesOf } from '../sequence/nodes.ts'
import type { Finding } from './findings.ts'
import { valueIn } from './steps/step-form.ts'

export function circles(sequences: readonly Sequence[]): Finding[] {
  const calls = callsOf(sequences)
  const findings: Finding[] = []
  const done = new Set<number>()
  for (const start of sequences.keys()) {
    const circle = from(start, calls, done)
    if (circle === undefined) continue
    const names = circle.map((index) => sequences[index]?.name ?? '')
    const message = `sequences call each other in a circle: ${[...names, names[0]].join(' → ')}`
    findings.push({ kind: 'cycle', severity: 'error', sequence: names[0] ?? '', message })
  }
  return findings
}

const NAME = 'OSDSubTasksequenceTsName'

/** For each sequence those that it calls, by id or else by name; what is not among them is left out. */
function callsOf(sequences: readonly Sequence[]): number[][] {
  const ids = new Map<string, number>()
  const names = new Map<string, number>()
  for (const [index, { name, original }] of sequences.entries()) {
    names.set(name, index)
    if (original?.properties?.PackageID !== undefined) ids.set(original.properties.PackageID.toUpperCase(), index)
  }
  return sequences.map((sequence) => {
    const called = new Set<number>()
    for (const { node } of nodesOf(sequence)) {
      const original = node.type === 'runTaskSequence' || node.type === 'kept' ? node.original : undefined
      if (node.type === 'kept' && !/SubTasksequence$/i.test(node.original.class ?? node.original.element ?? ''))
        continue
      const id = node.type === 'runTaskSequence' ? node.sequence : ''
      // `PKGID, name`, or the name alone (task-sequence-xml §4).
      const name = original === undefined ? '' : valueIn(original, NAME).replace(/^[A-Z0-9]{8}\s*,\s*/i, '')
      const index = ids.get(id.toUpperCase()) ?? names.get(name)
      if (index !== undefined) called.add(index)
    }
    return [...called]
  })
}

/** A circle that can be reached from a start; what is done has been looked at before. */
function from(start: number, calls: readonly number[][], done: Set<number>): number[] | undefined {
  const way: number[] = []
  const visit = (index: number): number[] | undefined => {
    if (way.includes(index)) return way.slice(way.indexOf(index))
    if (done.has(index)) return undefined
    way.push(index)
    for (const next of calls[index] ?? []) {
      const circle = visit(next)
      if (circle !== undefined) return circle
    }
    way.pop()
    done.add(index)
    return undefined
  }
  const circle = visit(start)
  for (const index of way) done.add(index)
  return circle
}
