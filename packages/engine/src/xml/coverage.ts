/** What of imported sequences would run, where, and what content they name. */
import type { PackageId, Sequence, StepType } from '@sluice/protocol'
import { nodesOf, references } from '../nodes.ts'
import { undecidable, whyKept } from '../obstacles.ts'
import { readStep, titleOf } from './steps/index.ts'

export interface Coverage {
  /** Steps, disabled ones included. */
  steps: number
  disabled: number
  /** On every system. */
  runsHere: number
  /** On Windows: commands of the original are Windows programs. */
  runsOnWindows: number
  /** Kept: makes sense on a device, but is not supported here yet, or not as it is. */
  notYet: number
  /** Kept: never runs over the internet. */
  never: number
  /** Kept steps by type and reason, the most frequent first. */
  kept: KeptKind[]
  conditions: { decided: number; notYet: number }
  content: ContentReference[]
}

export interface KeptKind {
  /** As the original's editor calls it; the class of one that nobody here knows. */
  step: string
  why: string
  count: number
}

export interface ContentReference {
  /** As in the file. */
  id: string
  name?: string
  kind: 'package' | 'application'
  /** `mapped`: another id stands for it here. `missing`: a step that runs needs it. `notNeeded`: only kept steps name it. */
  state: 'mapped' | 'missing' | 'notNeeded'
  mappedTo?: PackageId
}

const windowsOnly: ReadonlySet<StepType> = new Set([
  ...(['runCommandLine', 'runScript', 'upgradeOperatingSystem', 'connectNetworkFolder', 'disableBitLocker'] as const),
])

/**
 * @param names what packages are called, where an export says it
 * @param mapped ids of the file, and what was put in their place
 */
export function coverageOf(
  sequences: readonly Sequence[],
  names: ReadonlyMap<string, string>,
  mapped: ReadonlyMap<string, PackageId>,
): Coverage {
  const coverage: Coverage = {
    ...{ steps: 0, disabled: 0, runsHere: 0, runsOnWindows: 0, notYet: 0, never: 0 },
    kept: [],
    conditions: { decided: 0, notYet: 0 },
    content: contentOf(sequences, names, mapped),
  }
  const kinds = new Map<string, KeptKind>()
  for (const { node } of sequences.flatMap((sequence) => [...nodesOf(sequence)])) {
    if (node.condition !== undefined)
      coverage.conditions[undecidable(node.condition).size === 0 ? 'decided' : 'notYet']++
    if (node.type === 'group') continue
    coverage.steps++
    if (node.disabled === true) coverage.disabled++
    if (node.type !== 'kept') {
      coverage[windowsOnly.has(node.type) ? 'runsOnWindows' : 'runsHere']++
      continue
    }
    const read = readStep(node.original)
    const home = read.type === 'kept' ? read.reason.home : 'notYet'
    coverage[home === 'notYet' || home === 'detail' ? 'notYet' : 'never']++
    const kind = { step: titleOf(node.original), why: whyKept(node) }
    const key = JSON.stringify(kind)
    kinds.set(key, { ...kind, count: (kinds.get(key)?.count ?? 0) + 1 })
  }
  coverage.kept = [...kinds.values()].sort((a, b) => b.count - a.count)
  return coverage
}

function contentOf(
  sequences: readonly Sequence[],
  names: ReadonlyMap<string, string>,
  mapped: ReadonlyMap<string, PackageId>,
): ContentReference[] {
  const found = new Map<string, ContentReference>()
  const add = (id: string, kind: ContentReference['kind'], needed: boolean): void => {
    const present = found.get(id)
    if (present !== undefined && (present.state !== 'notNeeded' || !needed)) return
    const name = names.get(id)
    found.set(id, { id, ...(name === undefined ? {} : { name }), kind, state: needed ? 'missing' : 'notNeeded' })
  }
  for (const [id, mappedTo] of mapped) found.set(id, { id, kind: 'package', state: 'mapped', mappedTo })
  const stands = new Set<string>(mapped.values())
  for (const sequence of sequences) {
    for (const { packageId } of references(sequence)) if (!stands.has(packageId)) add(packageId, 'package', true)
    for (const reference of sequence.original?.references ?? []) {
      if (reference.package !== undefined) add(reference.package, 'package', false)
      if (reference.application !== undefined) add(reference.application, 'application', false)
    }
    for (const { node } of nodesOf(sequence))
      if (node.type === 'kept')
        for (const { name, property = name, value } of node.original.variables ?? []) {
          if (/PackageI[dD]$/.test(property) && /^[A-Z0-9]{3}[0-9A-F]{5}$/i.test(value) && !/^0+$/.test(value))
            add(value, 'package', false)
          if (/^(AppInfo\d+Name|ApplicationName)$/.test(property) && value.includes('/Application_'))
            for (const id of value.split(',')) add(id.trim(), 'application', false)
        }
  }
  return [...found.values()]
}
