import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { elements, text } from './xml.ts'

test('reads elements, their text and its entities', () => {
  const xml = '<?xml version="1.0"?><R xmlns="x"><C><K>a&amp;&#x62;&#99;</K><S>1</S></C><C><K>&lt;d&gt;</K></C></R>'
  deepEqual(
    elements(xml, 'C').map((element) => text(element, 'K')),
    ['a&bc', '<d>'],
  )
  equal(text(xml, 'S'), '1')
  equal(text(xml, 'None'), undefined)
  equal(text('not xml at all', 'K'), undefined)
})
