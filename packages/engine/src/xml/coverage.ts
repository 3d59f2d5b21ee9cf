/** What of imported sequences would run, where, and what content they name. */
import type { PackageId, Sequence, SequenceId, StepType } from '@sluice/protocol'
import { isHere, nodesOf, references } from '../sequence/nodes.ts'
import { undecidable, unsupported, whyKept } from '../sequence/obstacles.ts'
import { readStep, stepForm, titleOf } from './steps/index.ts'

export interface Coverage {
  /** Steps, disabled ones included. */
  steps: number
  disabled: number
  /** On every system. */
  runsHere: number
  /** On Windows: commands of the original are Windows programs. */
  runsOnWindows: number
  /** Makes sense on a device, but is not supported here yet, or not as it is. */
  notYet: number
  /** Kept: never runs over the internet. */
  never: number
  /** Steps that do not run, by type and reason, the most frequent first. */
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
  kind: 'package' | 'application' | 'sequence'
  /**
   * `mapped`: another id stands for it here. `missing`: a step that runs needs it, or what it is has to be
   * written in the step. `notNeeded`: only kept steps name it.
   */
  state: 'mapped' | 'missing' | 'notNeeded'
  mappedTo?: PackageId | SequenceId
}

const windowsOnly: ReadonlySet<StepType> = new Set([
  ...(['runCommandLine', 'runScript', 'upgradeOperatingSystem', 'connectNetworkFolder', 'disableBitLocker'] as const),
  ...(['enableBitLocker', 'joinDomainOrWorkgroup', 'installApplication', 'installPackage'] as const),
])

/**
 * @param names what packages are called, where an export says it
 * @param mapped ids of the file, and what was put in their place
 * @returns what sequences of the same import run is not missing: it is applied beside them
 */
export function coverageOf(
  sequences: readonly Sequence[],
  names: ReadonlyMap<string, string>,
  mapped: ReadonlyMap<string, PackageId | SequenceId>,
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
    const [hindered] = node.type === 'kept' ? [whyKept(node)] : unsupported(node, 'windows')
    if (hindered === undefined) {
      coverage[windowsOnly.has(node.type) ? 'runsOnWindows' : 'runsHere']++
      continue
    }
    const read = node.type === 'kept' ? readStep(node.original) : undefined
    const home = read?.type === 'kept' ? read.reason.home : 'notYet'
    coverage[home === 'notYet' || home === 'detail' ? 'notYet' : 'never']++
    const of = node.type === 'kept' ? node.original : { class: stepForm(node.type).class }
    const kind = { step: titleOf(of), why: hindered }
    const key = JSON.stringify(kind)
    kinds.set(key, { ...kind, count: (kinds.get(key)?.count ?? 0) + 1 })
  }
  coverage.kept = [...kinds.values()].sort((a, b) => b.count - a.count)
  return coverage
}

function contentOf(
  sequences: readonly Sequence[],
  names: ReadonlyMap<string, string>,
  mapped: ReadonlyMap<string, PackageId | SequenceId>,
): ContentReference[] {
  const found = new Map<string, ContentReference>()
  const add = (id: string, kind: ContentReference['kind'], needed: boolean, called?: string): void => {
    const present = found.get(id)
    if (present !== undefined && (present.state !== 'notNeeded' || !needed)) return
    const name = names.get(id) ?? (called === id ? undefined : called)
    found.set(id, { id, ...(name === undefined ? {} : { name }), kind, state: needed ? 'missing' : 'notNeeded' })
  }
  for (const [id, mappedTo] of mapped)
    found.set(id, { id, kind: mappedTo.startsWith('seq_') ? 'sequence' : 'package', state: 'mapped', mappedTo })
  const stands = new Set<string>(mapped.values())
  const imported = new Set(sequences.map(({ original }) => original?.properties?.PackageID))
  for (const sequence of sequences) {
    for (const { node } of nodesOf(sequence)) {
      if (node.type === 'installApplication')
        for (const { name, id = name, install } of node.applications)
          if (install === undefined) add(id, 'application', true, name)
      if (node.type === 'runTaskSequence' && !isHere(node.sequence) && !imported.has(node.sequence))
        add(node.sequence, 'sequence', true)
    }
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
