/** Sequences of one import that call each other in a circle: running one would never end. */
import type { Sequence } from '@sluice/protocol'
import { nodesOf } from '../nodes.ts'
import type { Finding } from './findings.ts'
import { valueIn } from './steps/step-form.ts'

export function circles(sequences: readonly Sequence[]): Finding[] {
  const calls = sequences.map((sequence) => called(sequence, sequences))
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

/** Which of the sequences one calls; those that are not among them are left out. */
function called(sequence: Sequence, sequences: readonly Sequence[]): number[] {
  const found = new Set<number>()
  for (const { node } of nodesOf(sequence)) {
    if (node.type !== 'kept' || !/SubTasksequence$/i.test(node.original.class ?? node.original.element ?? '')) continue
    const id = valueIn(node.original, 'OSDSubTasksequencePackageID')
    // `PKGID, name`, or the name alone (task-sequence-xml §4).
    const name = valueIn(node.original, 'OSDSubTasksequenceTsName').replace(/^[A-Z0-9]{8}\s*,\s*/i, '')
    for (const [index, other] of sequences.entries()) {
      const { PackageID } = other.original?.properties ?? {}
      const same =
        id !== '' && PackageID !== undefined
          ? id.toUpperCase() === PackageID.toUpperCase()
          : name !== '' && name === other.name
      if (same) found.add(index)
    }
  }
  return [...found]
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
