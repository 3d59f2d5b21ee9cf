import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageId } from '@sluice/protocol'
import { processorMs } from '../testing/processor-ms.ts'
import { referencedPackages } from './nodes.ts'
import {
  checkReferences,
  formatDetail,
  type ParsedSequence,
  parseSequence,
  readSequence,
  writeSequence,
} from './parse.ts'

const head = 'format: sluice-sequence/1\nname: Test\nsteps:\n'

function parsed(text: string): ParsedSequence {
  const result = parseSequence({ file: 'test.yaml', text })
  if (!result.ok) throw new Error((result.problem.errors ?? []).map(formatDetail).join('\n'))
  return result.value
}
/** The faults of a text, each as the line that people see. */
function faults(text: string): string[] {
  const result = parseSequence({ file: 't.yaml', text })
  assert.ok(!result.ok, 'expected faults')
  assert.equal(result.problem.code, 'SEQUENCE_INVALID')
  return (result.problem.errors ?? []).map(formatDetail)
}

test('YAML and JSON give the same sequence', () => {
  const yaml = parsed(`${head}  - type: restartComputer\n    name: Restart\n    timeoutSeconds: 5\n`)
  const json = parsed(
    JSON.stringify({ format: 'sluice-sequence/1', name: 'Test', steps: yaml.sequence.steps }, null, '\t'),
  )
  assert.deepEqual(json.sequence, yaml.sequence)
  assert.equal(yaml.sequence.maximumRunTimeMinutes, 120)
})

test('a fault has file, line, column, path, what was found and what was expected', () => {
  const text = `${head}  - type: group
    name: G
    steps:
      - type: runCommandLine
        name: Run
        pakage: ABC00001
        commandLine: 12
        timeoutMinutes: 5000
      - type: runComandLine
        name: Run
  - type: restartComputer
  - type: downloadPackageContent
    name: Get
    packages: [abc, { chosenBy: "%X%" }, 3]
    saveAs: _Mine
`
  assert.deepEqual(faults(text), [
    't.yaml:9:9: steps[0].steps[0].pakage: unknown field "pakage"; did you mean "package"?',
    't.yaml:10:22: steps[0].steps[0].commandLine: found the number 12; expected text: put it in quotes',
    't.yaml:11:25: steps[0].steps[0].timeoutMinutes: found 5000; expected at most 999',
    't.yaml:12:15: steps[0].steps[1].type: found "runComandLine"; expected one of group, checkReadiness, setVariable, downloadPackageContent, runCommandLine, runScript, setDynamicVariables, installPackage, installApplication, installSoftwareUpdates, runTaskSequence, connectNetworkFolder, disableBitLocker, enableBitLocker, joinDomainOrWorkgroup, upgradeOperatingSystem, restartComputer, kept; did you mean "runCommandLine"?',
    't.yaml:14:5: steps[1].name: is missing; expected text',
    't.yaml:17:16: steps[2].packages[0]: found "abc"; expected a package id such as ABC00001',
    't.yaml:17:21: steps[2].packages[1].candidates: is missing; expected a list of package ids, or `labels`',
    't.yaml:17:42: steps[2].packages[2]: found the number 3; expected a package id such as ABC00001, or `chosenBy` with `candidates`',
    't.yaml:18:13: steps[2].saveAs: found "_Mine"; expected a variable that may be set: names with a leading _ are read-only',
  ])
})

test('faults in conditions name the branch that was meant', () => {
  const withCondition = (condition: string): string[] =>
    faults(`${head}  - type: restartComputer\n    name: R\n    condition: ${condition}\n`)
  const at = (column: number, path: string) => `t.yaml:6:${column}: steps[0].condition${path}: `
  assert.deepEqual(withCondition('{ variable: A, operator: equal, value: "1" }'), [
    `${at(41, '.operator')}found "equal"; expected one of exists, notExists, equals, notEquals, less, lessEqual, greater, greaterEqual, like, notLike; did you mean "equals"?`,
  ])
  assert.deepEqual(withCondition('{ variable: A, operator: less }'), [`${at(16, '.value')}is missing; expected text`])
  assert.deepEqual(withCondition('{ varable: A }'), [
    `${at(16, '')}a condition has one of the fields variable, file, folder, all, any, none, registry, wmi, osPlatforms, osVersion, software, always, kept, make, computer, defaultGateway, script; did you mean "variable"?`,
  ])
  assert.deepEqual(withCondition('{ all: [{ folder: /x, modified: { operator: less, value: today } }] }'), [
    `${at(73, '.all[0].modified.value')}found "today"; expected a time such as 2026-01-31T12:00:00Z`,
  ])
  assert.deepEqual(withCondition('yes'), [`${at(16, '')}found "yes"; expected a condition, a map of fields`])
  assert.deepEqual(withCondition('{ any: [] }'), [`${at(23, '.any')}found 0 entries; expected at least 1`])
})

test('faults of the whole', () => {
  assert.deepEqual(faults(''), ['t.yaml:1:1: found nothing; expected a map of fields'])
  assert.deepEqual(faults('format: sluice-sequence/2\nname: x\nsteps: []\n'), [
    't.yaml:1:9: format: found "sluice-sequence/2"; expected "sluice-sequence/1"; did you mean "sluice-sequence/1"?',
    't.yaml:3:8: steps: found 0 entries; expected at least 1',
  ])
  assert.deepEqual(faults(`${head}  - type: restartComputer\n    name: A\n    name: B\n`), [
    't.yaml:6:5: steps[0].name: the field "name" is there twice',
  ])
})

test('rules that the schema cannot say', () => {
  assert.deepEqual(faults(`${head}  - { type: upgradeOperatingSystem, name: U }\n`), [
    't.yaml:4:5: steps[0]: expected either package or sourcePath',
  ])
  assert.deepEqual(faults(`${head}  - { type: runCommandLine, name: R, commandLine: 'x "y' }\n`), [
    't.yaml:4:51: steps[0].commandLine: The quote " at character 3 is not closed.',
  ])
  const inputs = `inputs:\n  - { variable: A, pattern: '(?=a)' }\n  - { variable: a, pattern: 'x+', default: y }\n`
  assert.deepEqual(faults(`${inputs}${head}  - { type: restartComputer, name: R }\n`), [
    't.yaml:2:29: inputs[0].pattern: only groups without names and conditions are supported (at character 2 of the pattern)',
    't.yaml:3:17: inputs[1].variable: "a" is declared twice (upper and lower case are the same)',
    't.yaml:3:44: inputs[1].default: the default does not match the pattern',
  ])
})

test('warnings do not hinder: variables that nothing sets, variables in shell text', () => {
  const { warnings } = parsed(`${head}  - type: runCommandLine
    name: R
    commandLine: sh -c "echo %Nam%"
    condition: { variable: Missing, operator: exists }
  - { type: downloadPackageContent, name: D, packages: [ABC00001], saveAs: My }
  - { type: runCommandLine, name: R, commandLine: "ls %My01% %_SMSTSModel% %_SMSTSABC00001%" }
`)
  assert.deepEqual(warnings.map(formatDetail), [
    'test.yaml:6:18: steps[0].commandLine: a variable inside shell text can become more than a word: pass it as an argument, sh -c \'…"$1"\' sh %name%',
    'test.yaml:6:18: steps[0].commandLine: nothing sets the variable "Nam", and it is not declared in inputs',
    'test.yaml:7:28: steps[0].condition.variable: nothing sets the variable "Missing", and it is not declared in inputs',
  ])
})

test('what Windows gives to every program is no variable of the sequence; advice is for the shell that there is', () => {
  const { warnings } =
    parsed(`${head}  - { type: runCommandLine, name: A, commandLine: 'cmd.exe /c copy %windir%\\a.log %Target%' }
  - { type: runCommandLine, name: B, commandLine: 'cmd /c dir %SystemDrive%' }
  - { type: setVariable, name: C, variable: Target, value: "%ProgramData%/x" }
  - { type: setVariable, name: D, variable: E, value: x, condition: { file: "%windir%/x" } }
`)
  assert.deepEqual(warnings.map(formatDetail), [
    'test.yaml:4:51: steps[0].commandLine: a variable inside shell text can become more than a word: let a script read it, with the module SluiceTS or sluice-ts get',
    'test.yaml:7:77: steps[3].condition.file: nothing sets the variable "windir", and it is not declared in inputs',
  ])
})

test('references: every package with its place, candidates included', () => {
  const file = parsed(`${head}  - type: downloadPackageContent
    name: D
    saveAs: D
    packages:
      - ABC00001
      - chosenBy: "%_SMSTSModel%"
        candidates: [ABC00002, ABC00003]
  - { type: upgradeOperatingSystem, name: U, package: ABC00001 }
`)
  assert.deepEqual(referencedPackages(file.sequence), ['ABC00001', 'ABC00002', 'ABC00003'])
  const problem = checkReferences(file, new Set([PackageId.parse('ABC00002')]))
  assert.equal(problem?.code, 'SEQUENCE_REFERENCE_MISSING')
  assert.deepEqual((problem?.errors ?? []).map(formatDetail), [
    'test.yaml:8:9: steps[0].packages[0]: there is no package ABC00001',
    'test.yaml:10:32: steps[0].packages[1].candidates[1]: there is no package ABC00003',
    'test.yaml:11:55: steps[1].package: there is no package ABC00001',
  ])
  const all = new Set(referencedPackages(file.sequence))
  assert.equal(checkReferences(file, all), undefined)
})

test('a sequence has one spelling, and reads back from it', () => {
  const one = parsed(`${head}  - { type: setVariable, name: S, variable: A, value: "ä😀" }\n`).sequence
  const two = parsed(
    'steps: [{ value: "ä😀", variable: A, name: S, type: setVariable }]\nname: Test\nformat: sluice-sequence/1\n',
  )
  const bytes = writeSequence(one)
  assert.deepEqual(writeSequence(two.sequence), bytes)
  assert.equal(
    new TextDecoder().decode(bytes),
    '{"format":"sluice-sequence/1","inputs":[],"maximumRunTimeMinutes":120,"name":"Test","steps":[{"name":"S","type":"setVariable","value":"ä😀","variable":"A"}]}',
  )
  const back = readSequence(bytes)
  assert.deepEqual(back.ok && back.value, one)
})

test('signed bytes that are not a sequence are refused', () => {
  const code = (text: string): string => {
    const result = readSequence(new TextEncoder().encode(text))
    return result.ok ? 'ok' : result.problem.detail
  }
  assert.match(code('{'), /not JSON/)
  assert.match(code('['.repeat(200_000)), /nested too deeply/)
  assert.match(
    code('{"format":"sluice-sequence/1","name":"x","steps":[{"type":"new","name":"x"}]}'),
    /steps\[0\].type: found "new"/,
  )
  const invalid = readSequence(new Uint8Array([0x22, 0xff, 0x22]))
  assert.ok(!invalid.ok)
})

test('hostile files are refused, without minutes of work', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x]\n${'bcdefghi'
    .split('')
    .map((name, index) => `${name}: &${name} [${`*${'abcdefgh'[index]},`.repeat(8)}]`)
    .join('\n')}\n`
  const hostile: [string, RegExp][] = [
    ['['.repeat(2_000_000), /nested deeper than 100/],
    ['{a: '.repeat(400_000), /nested deeper than 100/],
    ['- '.repeat(1_000_000), /nested deeper than 100/],
    [Array.from({ length: 600 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'), /nested deeper than 100/],
    [bomb, /anchors .* are not supported/],
    [`${head}  - *x\n`, /lias/],
    ['x'.repeat(3_000_000), /longer than 2097152 characters/],
    ['\n'.repeat(300_000), /more than 200000 lines/],
    [`${head}  - !!js/function x\n`, /tag/],
    [`${head}  - { type: restartComputer, name: R }\n---\na: 1\n`, /multiple documents/],
    [`${head}  - { type: restartComputer, name: R, ? [a]: b }\n`, /plain text/],
    [Array.from({ length: 60_000 }, (_, index) => `field${index}: 1`).join('\n'), /unknown field/],
    [`${head}${'  - { __proto__: { type: group } }\n'.repeat(3)}`, /unknown field|is missing/],
  ]
  for (const [text, expected] of hostile) {
    let lines: string[] = []
    const ms = processorMs(() => {
      lines = faults(text)
    })
    assert.ok(
      lines.some((line) => expected.test(line)),
      `${text.slice(0, 30)}: ${lines.slice(0, 3).join(' | ')}`,
    )
    assert.ok(lines.length <= 100)
    // Generous: the point is that nothing here takes minutes.
    assert.ok(ms < 10_000, `${text.slice(0, 30)} took ${ms} ms`)
  }
})
