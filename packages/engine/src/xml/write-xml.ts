/** A tree as XML text. What XML cannot hold (control characters, halves of pairs) becomes U+FFFD. */
import type { XmlElement } from './element.ts'

/** @param indent two blanks a level; without it, one line as the console writes it */
export function writeXml(root: XmlElement, options: { indent?: boolean } = {}): string {
  const parts: string[] = []
  write(root, options.indent === true ? '\n' : '', parts)
  return parts.join('')
}

function write(element: XmlElement, newline: string, parts: string[]): void {
  parts.push('<', element.name)
  for (const [name, value] of element.attributes) parts.push(' ', name, '="', escapeAttribute(value), '"')
  if (element.children.length === 0 && element.text === '') {
    parts.push('/>')
    return
  }
  parts.push('>')
  if (element.text !== '') parts.push(escapeText(element.text))
  const inner = newline === '' || element.text !== '' ? '' : `${newline}  `
  for (const child of element.children) {
    parts.push(inner)
    write(child, inner, parts)
  }
  parts.push(element.children.length > 0 && inner !== '' ? newline : '', '</', element.name, '>')
}

/** CDATA that holds any text: where the text has `]]>`, it goes on in another section. */
export const cdata = (text: string): string => `<![CDATA[${text.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`

/** Carriage returns are written as numbers: a parser turns bare ones into line feeds. */
const escapeText = (text: string): string => allowed(text).replace(/[&<>\r]/g, (sign) => names[sign] ?? sign)
const escapeAttribute = (text: string): string => allowed(text).replace(/[&<>"\r\n\t]/g, (sign) => names[sign] ?? sign)

const names: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#xD;',
  '\n': '&#xA;',
  '\t': '&#x9;',
}

/** Whether XML can hold a text as it is. */
export const fitsXml = (text: string): boolean => text.isWellFormed() && !unfit.test(text)
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are not allowed in XML
const unfit = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/
const allowed = (text: string): string =>
  fitsXml(text) ? text : text.toWellFormed().replace(new RegExp(unfit, 'g'), '\ufffd')
