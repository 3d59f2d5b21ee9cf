import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Condition } from '@sluice/protocol'
import { lintSequence, neverHolds } from './lint.ts'
import { formatDetail, parseSequence } from './sequence/parse.ts'

const lint = (text: string): string[] => {
  const parsed = parseSequence({ file: 'x.yaml', text: `format: sluice-sequence/1\nname: X\n${text}` })
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem.detail)
  return lintSequence(parsed.value).map((finding) => `${finding.level} ${formatDetail(finding)}`)
}

test('findings have their place, in the order of the file, beside the warnings that everybody gets', () => {
  assert.deepEqual(
    lint(`variables:
  - { variable: AdminPassword, value: hunter22 }
  - { variable: Other, value: "%_SMSTSModel%" }
steps:
  - { type: downloadPackageContent, name: D, packages: [ABC00001] }
  - { type: setVariable, name: S, variable: Token, value: abc, hidden: true }
  - { type: setVariable, name: T, variable: DbPassword, value: "%AdminPassword%" }
  - { type: runCommandLine, name: R, commandLine: "tool --password hunter22 %Nobody%" }
  - { type: group, name: G, steps: [{ type: restartComputer, name: Restart }] }
  - { type: setVariable, name: Off, disabled: true, variable: Done, value: "1" }
`),
    [
      'warning x.yaml:4:39: variables[0].value: "AdminPassword" looks like a secret: its value is in clear text here and in the signed sequence',
      'warning x.yaml:7:5: steps[0]: without saveAs, later steps find the content only by its package id',
      'note x.yaml:7:5: steps[0]: a deployment that downloads all content before the start has it all there already',
      'warning x.yaml:8:59: steps[1].value: "Token" looks like a secret: its value is in clear text here and in the signed sequence',
      'warning x.yaml:10:51: steps[3].commandLine: nothing sets the variable "Nobody", and it is not declared in inputs',
      'warning x.yaml:10:51: steps[3].commandLine: looks as if a password stood in it, in clear text',
      'warning x.yaml:11:37: steps[4].steps[0]: nothing runs behind this restart, so nobody sees whether the device came back well',
    ],
  )
})

test('a step that no device ever runs is told', () => {
  const condition =
    '{ all: [{ variable: _SMSTSModel, operator: exists }, { variable: _smstsmodel, operator: notExists }] }'
  assert.deepEqual(
    lint(`steps:\n  - { type: setVariable, name: S, variable: A, value: b, condition: ${condition} }\n`),
    ['warning x.yaml:4:69: steps[0].condition: never holds: this step is never run'],
  )
})

test('what never holds, and what may', () => {
  const of = (operator: string, value = '', variable = 'A') => ({ variable, operator, value })
  const never: unknown[] = [
    { all: [of('equals', '1'), of('equals', '2')] },
    { all: [of('equals', '1'), of('notEquals', '1')] },
    { all: [of('notExists'), of('like', '*')] },
    { all: [of('exists'), { any: [{ all: [of('equals', 'x'), of('equals', 'y')] }] }] },
    { none: [{ always: true }] },
    { none: [of('exists'), { none: [{ all: [of('equals', 'x'), of('equals', 'y')] }] }] },
  ]
  const may: unknown[] = [
    { all: [of('equals', '1'), of('equals', '01')] },
    { all: [of('equals', '1'), of('equals', '2', 'B')] },
    { all: [of('equals', '1'), of('equals', '%B%')] },
    { all: [of('notExists'), of('notEquals', '1')] },
    { any: [of('equals', '1'), of('equals', '2')] },
    { none: [of('exists')] },
    { always: true },
  ]
  for (const condition of never) assert.ok(neverHolds(Condition.parse(condition)), JSON.stringify(condition))
  for (const condition of may) assert.ok(!neverHolds(Condition.parse(condition)), JSON.stringify(condition))
})
