/**
 * What real files have that a tidy one has not, by the numbers of task-sequence-xml §9. Each comes back
 * from an export as it was. Damaged files (7) are in containers.test.ts and read-xml.test.ts, secrets (17)
 * in import.test.ts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '@sluice/protocol'
import { obstacles } from '../sequence/obstacles.ts'
import { exportSequence } from './export-sequence.ts'
import { type ImportedSequence, importSequences } from './import.ts'
import { walk } from './testing/independent-walk.ts'

const sequence = (inside: string, attributes = 'version="3.10"'): string =>
  `<sequence ${attributes}>${inside}</sequence>`

/** Reads, exports, reads again: the same sequence, and every variable of the XML in it. */
function imported(text: string, file = 'ts.xml'): ImportedSequence {
  const read = (of: string) => importSequences({ documents: [{ file, text: of, name: 'Quirk' }] })
  const { sequences, problems } = read(text)
  const [one] = sequences
  assert.ok(one !== undefined, problems.map(({ message }) => message).join('; '))
  const written = exportSequence(one.sequence)
  assert.deepEqual(written.lost, [])
  assert.deepEqual(read(written.text).sequences[0]?.sequence, one.sequence)
  assert.deepEqual(walk(written.text).values, walk(text).values)
  return one
}
const firstOf = (text: string): Step => {
  const [step] = imported(text).sequence.steps
  assert.ok(step !== undefined && step.type !== 'group')
  return step
}
const run = (inside: string, attributes = ''): string =>
  sequence(`<step type="SMS_TaskSequence_RunCommandLineAction" name="R" ${attributes}>${inside}</step>`)
const action = '<action>smsswd.exe /run: a.exe</action>'

test('§9.1, 5: a step without a type; attributes that one dialect always writes and the other never', () => {
  const toolkit = sequence(
    '<step name="P" disable="false" continueOnError="true" startIn="" successCodeList="0 3010"><action>cmd.exe /c ver</action></step>',
    'version="3.00" name="T" description=""',
  )
  const step = firstOf(toolkit)
  assert.deepEqual([step.type, step.continueOnError, step.disabled], ['runCommandLine', true, undefined])
  for (const yes of ['true', 'True', 'TRUE', 'yes', '1', ' true '])
    assert.equal(firstOf(run(action, `continueOnError="${yes}"`)).continueOnError, true, yes)
  assert.equal(firstOf(run(action, 'continueOnError="FALSE"')).continueOnError, undefined)
})

test('§9.2: the condition of a group behind its steps', () => {
  const { sequence: read } = imported(
    sequence(
      `<group name="G"><step name="S">${action}</step><action/><condition><expression type="SMS_TaskSequence_VariableConditionExpression"><variable name="Operator">Equals</variable><variable name="Variable">PHASE</variable><variable name="Value">x</variable></expression></condition></group>`,
    ),
  )
  assert.deepEqual(read.steps[0]?.condition, { variable: 'PHASE', operator: 'equals', value: 'x' })
})

test('§9.3, 4: empty and-conditions hold; operands without operator are all meant; Value may be missing', () => {
  assert.deepEqual(firstOf(run(`<condition/>${action}`)).condition, { always: true })
  const exists = (name: string): string =>
    `<expression type="SMS_TaskSequence_VariableConditionExpression"><variable name="Operator">notexists</variable><variable name="Variable">${name}</variable></expression>`
  assert.deepEqual(firstOf(run(`<condition>${exists('A')}${exists('b')}</condition>${action}`)).condition, {
    all: [
      { variable: 'A', operator: 'notExists' },
      { variable: 'b', operator: 'notExists' },
    ],
  })
})

test('§9.6: successCodes beside successCodeList does not count; codes above 2^31 do', () => {
  const step = firstOf(run(action, 'successCodeList="0 3221225547" successCodes="0 3010"'))
  assert.ok(step.type === 'runCommandLine')
  assert.deepEqual(step.successCodes, [0, 3_221_225_547])
  assert.equal(step.original?.attributes?.successCodes, '0 3010')
})

test('§9.8: blanks that a printer put there, and the empty mask of a version, are nothing', () => {
  const blank = '\n              '
  const check = firstOf(
    sequence(
      `<step type="SMS_TaskSequence_PrestartCheckAction" name="C"><action>osdprestartcheck.exe</action><defaultVarList><variable name="OSDCheckMemory" property="CheckMemory">true</variable><variable name="OSDMemory" property="Memory">2048${blank}</variable><variable name="OSDMinOSVersion" property="MinOSVersion">  . .</variable><variable name="OSDOSType" property="OSType">${blank}</variable></defaultVarList></step>`,
    ),
  )
  assert.ok(check.type === 'checkReadiness')
  assert.deepEqual([check.minimumMemoryMB, check.minimumOsVersion, check.osType], [2048, undefined, undefined])
})

test('§9.9: ids that were left out, empty ones, and ids that no list names: the step stays, the content is missing', () => {
  const text = sequence(
    `<referenceList><reference package="ABC00009" program="*"/></referenceList><step type="SMS_TaskSequence_RunCommandLineAction" name="A"><action>smsswd.exe /run:00000000 a</action></step><step type="SMS_TaskSequence_RunCommandLineAction" name="B"><action>smsswd.exe /run:ABC00001 b</action></step><step type="SMS_TaskSequence_ApplyDriverPackageAction" name="D"><action>osddriverclient.exe /install:  /unsigned:</action></step>`,
  )
  assert.deepEqual(
    imported(text).sequence.steps.map(({ type }) => type),
    ['runCommandLine', 'runCommandLine', 'kept'],
  )
  const { coverage } = importSequences({ documents: [{ file: 'x', text, name: 'x' }] })
  assert.deepEqual(
    coverage.content.map(({ id, state }) => `${id} ${state}`),
    ['00000000 missing', 'ABC00001 missing', 'ABC00009 notNeeded'],
  )
})

test('§9.10: % of LIKE is no variable', () => {
  const wmi = `<condition><expression type="SMS_TaskSequence_WMIConditionExpression"><variable name="Namespace">root\\cimv2</variable><variable name="Query">SELECT * FROM Win32_ComputerSystem WHERE Manufacturer LIKE "%Dell%"</variable></expression></condition>`
  const { sequence: read } = imported(run(wmi + action))
  assert.ok(read.steps[0]?.condition !== undefined && 'wmi' in read.steps[0].condition)
  assert.match(read.steps[0].condition.wmi, /"%Dell%"$/)
  assert.deepEqual(obstacles(read), [])
})

test('§9.11, 18: open quotes, blanks at the end, doubled %, a restart that says WinPE and means none', () => {
  assert.equal(
    firstOf(sequence('<step name="Z"><action>cscript.exe "%SCRIPTROOT%\\ZTIPowerShell.wsf</action></step>')).type,
    'kept',
  )
  const trailing = firstOf(run('<action>smsswd.exe /run: cmd.exe /c echo 100%%  </action>'))
  assert.ok(trailing.type === 'runCommandLine' && trailing.commandLine === 'cmd.exe /c echo 100%%')
  const restart =
    '<step type="SMS_TaskSequence_RebootAction" name="R"><defaultVarList><variable name="Target" property="Target"/></defaultVarList><action>smsboot.exe /target:WinPE</action></step>'
  assert.equal(firstOf(sequence(restart, 'version="3.00" name="T" description=""')).type, 'restartComputer')
})

test('§9.12: names that are there twice, long names, and two lists of start variables', () => {
  const list = (name: string): string =>
    `<globalVarList><variable name="OSGUID" property="OSGUID">{1}</variable><variable name="${name}" property="${name}">1</variable></globalVarList>`
  const { sequence: read, instructions } = imported(
    sequence(
      `${list('A')}${list('B')}<step name="Same">${action}</step><step name="Same">${action}</step><step name="${'n'.repeat(86)}">${action}</step>`,
    ),
  )
  assert.deepEqual(
    read.variables?.map(({ variable }) => variable),
    ['OSGUID', 'A', 'B'],
  )
  assert.deepEqual(instructions, ['Same', 'Same', 'n'.repeat(86)])
  assert.equal(read.original?.globalVariables?.length, 4)
})

test('§9.13: the call of another sequence as a step of the toolkit stays what it is', () => {
  const step = firstOf(
    sequence(
      '<step type="SMS_TaskSequence_SubTasksequence" name="U"><defaultVarList><variable name="SubTaskSequenceGUID" property="SubTaskSequenceGUID">{1}</variable><variable name="SubTaskSequenceID" property="SubTaskSequenceID">AJ001</variable></defaultVarList><action>cmd.exe /c exit 9999</action></step>',
      'version="3.00" name="T" description=""',
    ),
  )
  assert.ok(step.type === 'kept' && step.original.action === 'cmd.exe /c exit 9999')
})

test('§9.14: a script of 100 KB on one line', () => {
  const encoded = Buffer.from(`\ufeff${'Write-Output 1\r\n'.repeat(2_600)}`, 'utf16le').toString('base64')
  assert.ok(encoded.length > 100_000)
  const step = firstOf(
    sequence(
      `<step type="SMS_TaskSequence_RunPowerShellScriptAction" name="P"><action>OSDRunPowerShellScript.exe</action><defaultVarList><variable name="OSDRunPowerShellScriptSourceScript" property="SourceScript">${encoded}</variable></defaultVarList></step>`,
    ),
  )
  assert.ok(step.type === 'runScript' && step.source?.startsWith('Write-Output 1'))
})

test('§9.15, 16: odd file names; types, attributes and elements that nobody has seen', () => {
  const text = sequence(
    '<step type="Vendor_Odd" name="V" vendorFlag="1" runIn="FullOS"><action>odd.exe</action><defaultVarList><variable name="X" property="X" vendor="y">1</variable></defaultVarList><vendor a="b"><c/></vendor></step>',
  )
  const { sequence: read } = imported(text, 'TS & (copy).XML')
  const [step] = read.steps
  assert.ok(step?.type === 'kept')
  assert.deepEqual(step.original.attributes, { vendorFlag: '1', runIn: 'FullOS' })
  assert.deepEqual(step.original.variables?.[0]?.attributes, { vendor: 'y' })
  assert.deepEqual(step.original.more, ['<vendor a="b"><c/></vendor>'])
})

test('namespaces around a sequence, as the export of 2007 declares them, change nothing', () => {
  const text = `<SmsTaskSequencePackage xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><Name>Old</Name><BootImageID>ABC00002</BootImageID><SequenceData>${run(action)}</SequenceData></SmsTaskSequencePackage>`
  const { name, steps } = imported(text)
  assert.deepEqual([name, steps], ['Old', 1])
})
