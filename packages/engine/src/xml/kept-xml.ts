/** XML that a sequence keeps as text, because nobody here knows what it is. */
import { element, type XmlElement } from './element.ts'
import { readXml } from './read-xml.ts'

/** The element of a kept text. What a person made unreadable is written as text, so that it is seen. */
export function readKept(text: string): XmlElement {
  const read = readXml(text, { file: '', line: 1, column: 1, exact: true })
  return read.ok ? read.value.root : element('kept', {}, text)
}
