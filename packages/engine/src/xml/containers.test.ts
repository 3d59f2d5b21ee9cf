import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findSequences } from './containers.ts'
import { readPrograms, readReferenceNames } from './exported-objects.ts'

const fragment =
  '<sequence version="3.10">\n  <step name="One" description=""><action>a &amp; b</action></step></sequence>'
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function found(text: string) {
  const result = findSequences(text, 'x.xml')
  assert.ok(result.ok, result.ok ? '' : result.fault.message)
  return result.found
}
/** Where the first step stands. */
function stepAt(text: string): string {
  const [one] = found(text)
  const step = one?.element.children.find(({ name }) => name === 'step')
  assert.ok(one !== undefined && step !== undefined)
  assert.equal(step.children[0]?.text, 'a & b')
  const { line, column } = one.placeOf(step.offset)
  return `${line}:${column}`
}
const instance = (value: string, more = ''): string =>
  `<INSTANCE CLASSNAME="SMS_TaskSequencePackage">
  <PROPERTY NAME="__PATH" TYPE="string"><VALUE>\\\\CM01</VALUE></PROPERTY>
  <PROPERTY NAME="Name" TYPE="string"><QUALIFIER NAME="CIMTYPE"><VALUE>string</VALUE></QUALIFIER><VALUE> Upgrade </VALUE></PROPERTY>
  <PROPERTY NAME="Description" TYPE="string"><VALUE></VALUE></PROPERTY>
  <PROPERTY NAME="Sequence" TYPE="string">
    <VALUE>${value}</VALUE>
  </PROPERTY>${more}
</INSTANCE>`

test('a bare sequence, with and without declaration', () => {
  assert.equal(stepAt(fragment), '2:3')
  assert.equal(stepAt(`<?xml version="1.0" encoding="utf-8"?>\n${fragment}`), '3:3')
})

test('an exported instance: CDATA keeps places, escaped text tells where it begins, elements are themselves', () => {
  assert.equal(stepAt(instance(`<![CDATA[${fragment}]]>`)), '7:3')
  assert.equal(stepAt(instance(`\n  <![CDATA[${fragment.replace('\n', '')}]]>`)), '7:39')
  assert.equal(stepAt(instance(escaped(fragment))), '6:12')
  assert.equal(stepAt(instance(fragment)), '7:3')
  const [one] = found(instance(`<![CDATA[${fragment}]]>`))
  assert.deepEqual([...(one?.properties ?? [])], [['Name', 'Upgrade']])
})

test('the package of 2007, and wrappers that nobody has seen yet', () => {
  const package2007 = `<SmsTaskSequencePackage><BootImageID>X</BootImageID><Category/><Name>Client</Name><SequenceData>${fragment}</SequenceData></SmsTaskSequencePackage>`
  assert.equal(stepAt(package2007), '2:3')
  assert.deepEqual(Object.fromEntries(found(package2007)[0]?.properties ?? []), { BootImageID: 'X', Name: 'Client' })
  assert.equal(
    stepAt(`<SmsTsExport><Item><Xml>${escaped(instance(escaped(fragment)))}</Xml></Item></SmsTsExport>`),
    '1:25',
  )
  assert.equal(found(`<All>${fragment}${instance(`<![CDATA[${fragment}]]>`)}</All>`).length, 2)
  assert.deepEqual(found('<Applications><application/></Applications>'), [])
})

test('a document that is wholly escaped is read as what it stands for', () => {
  assert.equal(stepAt(escaped(fragment)), '1:1')
  assert.equal(stepAt(`\n${escaped(fragment).replaceAll('&quot;', '&#34;')}`), '1:1')
})

test('a fault in an inner text tells its place in the outer one', () => {
  const broken = findSequences(instance('<![CDATA[<sequence>\n <group>\n</sequence>]]>'), 'x.xml')
  assert.deepEqual(broken, {
    ok: false,
    fault: { place: { file: 'x.xml', line: 7, column: 2 }, message: '<group> is not closed' },
  })
})

test('sequences inside sequences inside sequences end somewhere', () => {
  let text = fragment
  for (let level = 0; level < 3; level++) text = `<x>${escaped(text)}</x>`
  assert.equal(found(text).length, 1)
  for (let level = 0; level < 3; level++) text = `<x>${escaped(text)}</x>`
  assert.deepEqual(found(text), [])
  const many = findSequences(`<x>${'<sequence/>'.repeat(300)}</x>`, 'x.xml')
  assert.ok(!many.ok && /more than 200 sequences/.test(many.fault.message))
})

test('what references are called', () => {
  const entry =
    '<INSTANCE CLASSNAME="SMS_TaskSequenceReferencesInfo"><PROPERTY NAME="ReferencePackageID"><VALUE>ABC00001</VALUE></PROPERTY><PROPERTY NAME="ReferenceName"><VALUE>Drivers &amp; tools</VALUE></PROPERTY></INSTANCE>'
  const names = readReferenceNames(
    `<ArrayOfString><string>${escaped(entry)}</string><string>x</string></ArrayOfString>`,
  )
  assert.deepEqual([...names], [['ABC00001', 'Drivers & tools']])
  assert.deepEqual([...readReferenceNames('not XML')], [])
})

test('programs of packages: as objects of their own, or as text in others', () => {
  const property = (name: string, value: string) => `<PROPERTY NAME="${name}"><VALUE>${value}</VALUE></PROPERTY>`
  const program = (id: string, name: string, command: string, more = '') =>
    `<INSTANCE CLASSNAME="SMS_Program">${property('PackageID', id)}${property('ProgramName', name)}${property('CommandLine', command)}${more}</INSTANCE>`
  assert.deepEqual(
    readPrograms(program('ABC00001', 'Install', 'setup.exe /q &amp; more', property('WorkingDirectory', 'x64'))),
    [{ packageId: 'ABC00001', name: 'Install', commandLine: 'setup.exe /q & more', startIn: 'x64' }],
  )
  const inner = `<INSTANCE CLASSNAME="SMS_Package">${program('ABC00001', 'Remove', 'setup.exe /x')}</INSTANCE>`
  const names = (text: string) => readPrograms(text).map(({ name }) => name)
  assert.deepEqual(names(`<ArrayOfString><string>${escaped(inner)}</string></ArrayOfString>`), ['Remove'])
  assert.deepEqual(names(inner.replace('SMS_Program"', 'SMS_Other"')), [])
  assert.deepEqual(names(program('ABC00001', 'No command', '')), [])
  assert.deepEqual(names(program('ABC00001', 'Long', 'x'.repeat(32_001))), [])
  assert.deepEqual(readPrograms('<INSTANCE CLASSNAME="SMS_Program">'), [])
})
