import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Condition } from '@sluice/protocol'
import { lintSequence } from './lint.ts'
import { neverHolds } from './lint-conditions.ts'
import { formatDetail, parseSequence } from './parse.ts'

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
    { all: [of('greater', '10'), of('less', '5')] },
    { all: [of('greaterEqual', '10.0.1'), of('less', '10.0.1')] },
    { all: [of('equals', '3'), of('greater', '4')] },
    { all: [of('equals', 'Dell XPS'), of('like', '*Lenovo*')] },
    { all: [of('like', 'A*'), of('notLike', 'a*')] },
    { all: [of('exists'), { all: [of('notExists')] }] },
    { all: [{ folder: '/x' }, { none: [{ folder: '/x' }] }] },
    of('equals', 'true', '_SMSTSInWinPE'),
    { none: [of('notEquals', 'TRUE', '_smstsinwinpe')] },
    { all: [of('exists'), { any: [{ all: [of('equals', 'x'), of('equals', 'y')] }] }] },
    { none: [{ always: true }] },
    { none: [of('exists'), { none: [{ all: [of('equals', 'x'), of('equals', 'y')] }] }] },
  ]
  const may: unknown[] = [
    { all: [of('equals', '1'), of('equals', '01')] },
    { all: [of('equals', '1'), of('equals', '2', 'B')] },
    { all: [of('equals', '1'), of('equals', '%B%')] },
    { all: [of('notExists'), of('notEquals', '1')] },
    { all: [of('greater', '5'), of('less', '10')] },
    { all: [of('greaterEqual', '10'), of('lessEqual', '10')] },
    { all: [of('greater', 'b'), of('less', 'a')] },
    { all: [of('equals', 'Dell XPS'), of('like', '*Dell*')] },
    { all: [of('like', 'A*'), of('notLike', 'AB*')] },
    { all: [{ folder: '/x' }, { none: [{ folder: '/y' }] }] },
    of('equals', 'false', '_SMSTSInWinPE'),
    of('equals', '%B%', '_SMSTSInWinPE'),
    { any: [of('equals', '1'), of('equals', '2')] },
    { none: [of('exists')] },
    { always: true },
  ]
  for (const condition of never) assert.ok(neverHolds(Condition.parse(condition)), JSON.stringify(condition))
  for (const condition of may) assert.ok(!neverHolds(Condition.parse(condition)), JSON.stringify(condition))
})

const findings = (steps: string, more = ''): string[] =>
  lint(`${more}steps:\n${steps}`).map((line) => line.replace(/^(\w+) x\.yaml:\d+:\d+: /, '$1 '))

test('a step that cannot be reached in its group is told; one that a step before it may have let in is not', () => {
  const group = (variable: string, inner: string): string[] =>
    findings(
      `  - type: group
    name: G
    condition: { variable: ${variable}, operator: like, value: "Meridian*" }
    steps:
      - { type: runCommandLine, name: A, commandLine: "true" }
      - { type: runCommandLine, name: B, commandLine: "true", condition: ${inner} }
`,
      'inputs: [{ variable: Ring }]\n',
    )
  const other = (variable: string) => `{ variable: ${variable}, operator: equals, value: Other }`
  assert.deepEqual(group('_SMSTSModel', other('_smstsmodel')), [
    'warning steps[0].steps[1].condition: never holds, since a group around it asks for another _smstsmodel: this step is never run',
  ])
  assert.deepEqual(group('_SMSTSModel', '{ variable: _SMSTSModel, operator: equals, value: Meridian 15 }'), [])
  assert.deepEqual(group('_SMSTSModel', `{ any: [${other('_SMSTSModel')}, { folder: /x }] }`), [])
  assert.deepEqual(group('Ring', other('Ring')), [], 'a script may have set it')
})

test('rules and applications that never can be are told', () => {
  const never = '{ variable: _SMSTSInWinPE, operator: equals, value: "true" }'
  assert.deepEqual(
    findings(`  - { type: setDynamicVariables, name: D, rules: [{ when: ${never}, variables: [{ variable: A, value: b }] }] }
  - { type: installApplication, name: I, applications: [{ name: X, install: x, detect: ${never}, requires: ${never} }] }
  - { type: installApplication, name: J, applications: [{ name: X, install: x, detect: { file: /x } }] }
`),
    [
      'warning steps[0].rules[0].when: never holds: this rule never sets anything',
      'warning steps[1].applications[0].detect: never holds: the application is never found, so this step fails',
      'warning steps[1].applications[0].requires: never holds: the application is never installed',
    ],
  )
})

test('variables that nothing sets are found in every field; what something sets is not told', () => {
  assert.deepEqual(
    findings(`  - { type: runScript, name: S, interpreter: sh, source: "true", parameters: "%P1%" }
  - { type: installPackage, name: I, listVariable: Apps, programs: [{ package: ABC00001, program: P, commandLine: "x %P2%" }] }
  - { type: setVariable, name: V, variable: A, value: x, condition: { registry: "HKEY_LOCAL_MACHINE\\\\%P3%", operator: exists } }
  - { type: runCommandLine, name: C, commandLine: x, package: { chosenBy: "%P4%", candidates: [ABC00001] } }
  - { type: runCommandLine, name: P1 is only used once, commandLine: "x %p1%" }
`),
    [
      'warning steps[0].parameters: nothing sets the variable "P1", and it is not declared in inputs',
      'warning steps[1].listVariable: nothing sets the variable "Apps001", and it is not declared in inputs',
      'warning steps[1].programs[0].commandLine: nothing sets the variable "P2", and it is not declared in inputs',
      'warning steps[2].condition.registry: nothing sets the variable "P3", and it is not declared in inputs',
      'warning steps[3].package.chosenBy: nothing sets the variable "P4", and it is not declared in inputs',
    ].toSorted(),
  )
  assert.deepEqual(
    findings(`  - { type: runScript, name: S, interpreter: sh, source: "sluice-ts set --hidden Token x; sluice-ts set 'Ring' y" }
  - { type: runScript, name: T, source: "$tsenv.Value('Apps001') = 'x'" }
  - { type: runCommandLine, name: C, commandLine: "x %Token% %Ring% %Out% %windir%", outputTo: Out }
  - { type: installPackage, name: I, listVariable: Apps, programs: [{ package: ABC00001, program: P, commandLine: x }] }
`),
    [],
  )
})

test('a restart at the end is told, but not one that something follows', () => {
  const restart = '{ type: restartComputer, name: R }'
  const step = '{ type: runCommandLine, name: C, commandLine: "true" }'
  const told = /nothing runs behind this restart/
  assert.match(findings(`  - ${restart}\n`).join(), told)
  assert.match(findings(`  - ${step}\nfinally:\n  - ${restart}\n`).join(), told)
  assert.match(
    findings(`  - ${restart}\n  - { type: group, name: G, disabled: true, steps: [${step}] }\n`).join(),
    told,
  )
  assert.deepEqual(findings(`  - ${restart}\nfinally:\n  - ${step}\n`), [])
  assert.deepEqual(findings(`  - { type: group, name: G, steps: [${restart}] }\n  - ${step}\n`), [])
})

test('secrets in clear text are found wherever they may stand; what only speaks of them is not told', () => {
  const clear = findings(
    `  - { type: setDynamicVariables, name: D, rules: [{ variables: [{ variable: Key, value: abc, hidden: true }] }] }
  - { type: runScript, name: S, interpreter: sh, source: "x\\nPASSWORD='hunter22'" }
  - { type: runScript, name: T, interpreter: sh, source: "true", parameters: "-Password hunter22" }
  - { type: installApplication, name: I, applications: [{ name: X, install: "x /pwd:hunter22", detect: { file: /x } }] }
`,
    'inputs: [{ variable: AdminPassword, default: hunter22 }]\n',
  )
  assert.equal(clear.length, 5, clear.join('\n'))
  assert.deepEqual(
    findings(
      `  - { type: runScript, name: S, interpreter: sh, source: "# the password is asked for\\nread -r PASSWORD; x=\\"$PASSWORD\\"" }
  - { type: runScript, name: T, interpreter: sh, source: "true", parameters: "-Password %AdminPassword%" }
  - { type: setVariable, name: V, variable: Plain, value: word }
`,
      'inputs: [{ variable: AdminPassword }]\n',
    ),
    [],
  )
})
