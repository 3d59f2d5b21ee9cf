import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PackageId, type PackageLabels, Sequence, type SequenceNode } from '@sluice/protocol'
import { choosePackage } from '../run/package-choice.ts'
import { Environment } from '../run/variables.ts'
import { labelQueries, withLabelled } from './candidates.ts'
import { referencedPackages } from './nodes.ts'
import { formatDetail, parseSequence } from './parse.ts'

const [A, B, C] = ['ABC00001', 'ABC00002', 'ABC00003'] as PackageId[] as [PackageId, PackageId, PackageId]
const choice = { chosenBy: '%Driver%', candidates: { labels: { kind: 'driver', model: 'X1' } } }
const steps: SequenceNode[] = [
  { type: 'group', name: 'G', steps: [{ type: 'downloadPackageContent', name: 'D', packages: [A, choice] }] },
  { type: 'upgradeOperatingSystem', name: 'U', package: choice },
]
const sequence = Sequence.parse({ format: 'sluice-sequence/1', name: 'S', steps, finally: steps })
const packages: { id: PackageId; labels: PackageLabels }[] = [
  { id: C, labels: { kind: 'driver', model: 'x1' } },
  { id: B, labels: { kind: 'driver', model: 'X1', ring: 'pilot' } },
  { id: A, labels: { kind: 'driver', model: 'X2' } },
]

test('packages with all the labels are the candidates, wherever a choice stands; case does not count', () => {
  assert.deepEqual(
    labelQueries(sequence).map(({ path }) => path.join('.')),
    ['steps.0.steps.0.packages.1', 'steps.1.package', 'finally.0.steps.0.packages.1', 'finally.1.package'].map(
      (path) => `${path}.candidates.labels`,
    ),
  )
  assert.deepEqual(referencedPackages(sequence), [A])
  const expanded = withLabelled(sequence, packages)
  assert.deepEqual(referencedPackages(expanded), [A, B, C])
  assert.deepEqual(labelQueries(expanded), [])
  assert.ok(Sequence.safeParse(expanded).success)
})

test('what no package meets stays a query, and every choice of it is refused', () => {
  const none = withLabelled(sequence, [{ id: A, labels: { kind: 'driver' } }, { id: B }])
  assert.deepEqual(none, sequence)
  const environment = new Environment({ driver: { name: 'Driver', value: A, hidden: false } }, () => 0)
  const refused = choosePackage(choice, environment)
  assert.ok(!refused.ok)
  assert.equal(refused.problem.code, 'CANDIDATE_NOT_DECLARED')
  assert.equal(
    refused.problem.detail,
    '%Driver% came out as "ABC00001"; no package has the labels kind=driver, model=X1.',
  )
})

test('a query is bounded, and faults are told with their place', () => {
  const faults = (candidates: string): string[] => {
    const text = `format: sluice-sequence/1
name: S
steps:
  - type: upgradeOperatingSystem
    name: U
    package:
      chosenBy: "%Driver%"
      candidates: ${candidates}
`
    const parsed = parseSequence({ file: 't.yaml', text })
    return parsed.ok ? [] : (parsed.problem.errors ?? []).map(formatDetail)
  }
  assert.deepEqual(faults('{ labels: { kind: driver } }'), [])
  const at = 't.yaml:8:19: steps[0].package.candidates'
  assert.deepEqual(faults('drivers'), [`${at}: found "drivers"; expected a list of package ids, or \`labels\``])
  const many = Array.from({ length: 11 }, (_, i) => `l${i}: x`).join(', ')
  for (const [labels, why] of [
    ['{}', 'names no label'],
    [`{ ${many} }`, 'found more than 10 labels'],
    ['{ kind: "" }', 'found 0 characters'],
    ['{ Kind: driver }', 'a label such as kind'],
  ] as const)
    assert.ok(
      faults(`{ labels: ${labels} }`).some((fault) => fault.includes(why)),
      `${labels}: ${faults(`{ labels: ${labels} }`)}`,
    )
})
