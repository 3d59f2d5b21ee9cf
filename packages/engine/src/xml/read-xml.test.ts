import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../testing/processor-ms.ts'
import { elementsIn } from './element.ts'
import { MAX_XML_LENGTH, readXml, type XmlText } from './read-xml.ts'
import { cdata, fitsXml, writeXml } from './write-xml.ts'

const base = { file: 'ts.xml', line: 1, column: 1, exact: true }
function read(text: string): XmlText {
  const result = readXml(text, base)
  assert.ok(result.ok, result.ok ? '' : result.fault.message)
  return result.value
}
/** `line:column: message` */
function fault(text: string): string {
  const result = readXml(text, base)
  assert.ok(!result.ok, 'expected a fault')
  const { place, message } = result.fault
  return `${place.line}:${place.column}: ${message}`
}

test('elements know where they stand, text and CDATA are put together, layout is not text', () => {
  const { root, placeOf } = read('<a>\n  <b\n    x="1&amp;2">t<![CDATA[<&]]>u</b>\r\n  <c/>\n</a>')
  assert.deepEqual(
    [...elementsIn(root)].map(({ name, offset, text }) => [name, placeOf(offset).line, placeOf(offset).column, text]),
    [
      ['a', 1, 1, ''],
      ['b', 2, 3, 't<&u'],
      ['c', 4, 3, ''],
    ],
  )
  assert.equal(root.children[0]?.attributes.get('x'), '1&2')
})

test('what is not XML: line, column and reason', () => {
  const faults: [string, string][] = [
    ['<a>\n  <b>\n</a>', '2:3: <b> is not closed'],
    ['<a>\n<b/>', '1:1: <a> is not closed'],
    ['<a>\n <g>{<OSGuid>}</g>\n</a>', '2:6: <OSGuid> is not closed'],
    ['<a>\n&copy;</a>', '2:6: undefined entity (in <a>)'],
    ['<a>\n<b x="1" x="2"/></a>', '2:1: <b> has the attribute x twice'],
    ['<a x=1/>', '1:6: unquoted attribute value (in <a>)'],
    ['<a>\u0001</a>', '1:4: disallowed character (in <a>)'],
    ['<a/>\n<b/>', '2:3: documents may contain only one root (in <b>)'],
    ['plain text', '1:10: text data outside of root node'],
    ['', '1:1: document must contain a root element'],
  ]
  for (const [text, expected] of faults) assert.equal(fault(text), expected)
})

test('comments and blanks before the declaration are passed over, and places stay right', () => {
  const { root, placeOf } = read('\ufeff \n<!-- a --> <!-- b -->\n<?xml version="1.0"?>\n<a>\n</a>')
  assert.equal(placeOf(root.offset).line, 4)
})

test('hostile texts are refused, and quickly', () => {
  const bomb = `<?xml version="1.0"?>\n<!-- x --><!DOCTYPE lolz [<!ENTITY a "lol">${'abcdefghi'
    .split('')
    .map((name, index) => `<!ENTITY ${name}${index} "${`&${name};`.repeat(10)}">`)
    .join('')}]>\n<a>&i8;</a>`
  const hostile: [string, RegExp][] = [
    [bomb, /^2:11: a document type .* is not allowed/],
    ['<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', /^1:1: a document type/],
    ['<!doctype a [<!ENTITY % x SYSTEM "http://127.0.0.1/x"> %x;]><a/>', /^1:1: a document type/],
    ['<a><!DOCTYPE b></a>', /doctype/],
    [`<a>${'x'.repeat(100 * 1024 * 1024)}</a>`, new RegExp(`longer than ${MAX_XML_LENGTH} characters`)],
    ['<a>'.repeat(10_000) + '</a>'.repeat(10_000), /^1:601: elements are nested deeper than 200 levels/],
    [`<a>${'<b/>'.repeat(1_000_000)}</a>`, /more than 300000 elements/],
    [`<a ${Array.from({ length: 100_000 }, (_, index) => `x${index}=""`).join(' ')}/>`, /more than 64 attributes/],
    [`<${'a'.repeat(1_000_000)}`, /./],
    [`<a b="${'&lt;'.repeat(1_000_000)}`, /./],
    [`<!--${' --'.repeat(1_000_000)}`, /./],
  ]
  for (const [text, expected] of hostile) {
    let told = ''
    const ms = processorMs(() => {
      told = fault(text)
    })
    assert.match(told, expected)
    assert.ok(told.length < 300, told.slice(0, 100))
    // Generous: the point is that nothing here takes minutes.
    assert.ok(ms < 10_000, `${text.slice(0, 30)} took ${ms} ms`)
  }
})

test('what is written reads back as the same', () => {
  const { root } = read('<a x="&#9;&#10;&quot;&lt;"><b>1 &lt; 2 ]]&gt; &amp;&#13;\n</b><c><d/></c></a>')
  for (const options of [{}, { indent: true }]) {
    const again = read(writeXml(root, options)).root
    assert.deepEqual(
      [...elementsIn(again)].map(({ name, attributes, text }) => [name, [...attributes], text]),
      [...elementsIn(root)].map(({ name, attributes, text }) => [name, [...attributes], text]),
    )
  }
  assert.equal(read(`<a>${cdata('x ]]> y ]]>')}</a>`).root.text, 'x ]]> y ]]>')
  const odd = { name: 'a', attributes: new Map(), children: [], text: 'x\u0000\ud800', offset: 0 }
  assert.ok(!fitsXml(odd.text))
  assert.equal(read(writeXml(odd)).root.text, 'x\ufffd\ufffd')
})
