/** Damaged files: whatever happened to a file, importing it ends, and ends with a sequence or with reasons. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSequence } from '../sequence/parse.ts'
import { writeSequenceFile } from '../sequence/write-file.ts'
import { importSequences } from './import.ts'

const variable = (name: string, value: string): string =>
  `<variable name="${name}" property="${name}">${value}</variable>`
const expression = (type: string, values: Record<string, string>): string =>
  `<expression type="SMS_TaskSequence_${type}ConditionExpression">${Object.entries(values)
    .map(([name, value]) => `<variable name="${name}">${value}</variable>`)
    .join('')}</expression>`
const step = (type: string, action: string, variables = '', inside = ''): string =>
  `<step type="SMS_TaskSequence_${type}Action" name="${type}" description="" successCodeList="0 3010 3221225547" timeout="900">${inside}<action>${action}</action><defaultVarList>${variables}</defaultVarList></step>`
const rules =
  '&lt;Rules&gt;&lt;Rule&gt;&lt;Variables&gt;&lt;Variable Name="A"&gt;b&lt;/Variable&gt;&lt;/Variables&gt;&lt;/Rule&gt;&lt;/Rules&gt;'
const sequence = `<sequence version="3.10"><referenceList><reference package="ABC00001"/></referenceList>
<globalVarList>${variable('OSGUID', '1')}${variable('OSGUID', '1')}</globalVarList>
<group name="G" expand="true" vendor="x">
${step('RunCommandLine', 'smsswd.exe /run:ABC00001 cmd.exe /c &quot;x %y%', variable('SMSTSRunCommandLineUserPassword', 'hunter22'))}
<condition><operator type="not">${expression('Variable', { Operator: 'Equals', Variable: 'A', Value: 'x' })}${expression('WMI', { Namespace: 'root\\cimv2', Query: "select * from Win32_BIOS where Name like '%[1-9]'" })}</operator></condition>
${step('SetDynamicVariables', 'x', variable('OSDSetDynamicVariablesRules', rules))}
${step('RunPowerShellScript', 'x', variable('OSDRunPowerShellScriptSourceScript', Buffer.from('\ufeffGet-Date', 'utf16le').toString('base64')))}
${step('DownloadPackageContent', 'x', variable('OSDDownloadDownloadPackages', 'ABC00001,ABC00002') + variable('OSDDownloadDestinationLocationType', 'TSCache'))}
${step('Reboot', 'smsboot.exe /target:HD', variable('SMSRebootTarget', 'HD'))}
<subtasksequence type="SMS_TaskSequence_SubTasksequence" name="Child"><action>x</action></subtasksequence>
</group></sequence>`
const escaped = sequence.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const fixtures = [
  sequence,
  `<?xml version="1.0"?><INSTANCE CLASSNAME="SMS_TaskSequencePackage"><PROPERTY NAME="Name"><VALUE>X</VALUE></PROPERTY><PROPERTY NAME="Sequence"><VALUE><![CDATA[${sequence}]]></VALUE></PROPERTY></INSTANCE>`,
  `<SmsTaskSequencePackage xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Name>X</Name><SequenceData>${sequence}</SequenceData></SmsTaskSequencePackage>`,
  escaped,
]

/** Mulberry32: the same numbers every time. */
function randomness(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const pieces = [
  ...[
    '<',
    '>',
    '&',
    '"',
    '\u0000',
    '\ud800',
    ']]>',
    '<![CDATA[',
    '<!--',
    '&#0;',
    '&lol;',
    '<!DOCTYPE x>',
    '%',
    '</group>',
  ],
  ...[
    '<group name="">',
    '<sequence>',
    '<condition>',
    'disable="maybe"',
    '\ufeff',
    '99999999999999999999',
    '<x:y z:a="b"/>',
  ],
]

function damaged(text: string, random: (below: number) => number): string {
  let result = text
  for (let count = 1 + random(2); count > 0; count--) {
    const [from, length] = [random(result.length), 1 + random(12)]
    const [before, span, after] = [
      result.slice(0, from),
      result.slice(from, from + length),
      result.slice(from + length),
    ]
    const kind = random(5)
    if (kind === 0) result = before + after
    else if (kind === 1) result = before + span + span + after
    else if (kind === 2) result = before + (pieces[random(pieces.length)] ?? '') + span + after
    else if (kind === 3) result = result.slice(0, from)
    else result = before + String.fromCharCode(32 + random(90)) + span.slice(1) + after
  }
  return result
}

test('2,000 damaged files: never a crash, always a sequence that can be used or a reason with its place', () => {
  const random = randomness(20_260_131)
  const ends = { usable: 0, refused: 0 }
  for (let round = 0; round < 2_000; round++) {
    const text = damaged(fixtures[round % fixtures.length] ?? '', random)
    const { sequences, problems } = importSequences({ documents: [{ file: 'x.xml', text, name: 'X' }] })
    const errors = problems.filter(({ severity }) => severity === 'error')
    for (const { place, message } of errors) {
      assert.ok(message !== '' && message.length < 2_000, message)
      assert.ok(place !== undefined && place.line >= 1 && place.column >= 1, `round ${round}: ${message}`)
    }
    if (errors.length > 0) ends.refused++
    else {
      assert.ok(sequences.length > 0, `round ${round}: neither a sequence nor a reason`)
      ends.usable++
      for (const one of sequences.slice(0, 1)) {
        const again = parseSequence({ file: 'x.yaml', text: writeSequenceFile(one.sequence) })
        assert.deepEqual(again.ok ? again.value.sequence : again.problem, one.sequence, `round ${round}`)
      }
    }
  }
  assert.ok(ends.usable > 200 && ends.refused > 200, JSON.stringify(ends))
})
