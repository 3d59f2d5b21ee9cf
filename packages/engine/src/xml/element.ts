/** An XML document as a plain tree: what the reader gives and the writer takes. */

export interface XmlElement {
  name: string
  /** In the order they stand in. */
  attributes: Map<string, string>
  children: XmlElement[]
  /** Text and CDATA directly in the element, put together, not trimmed; empty when it only sets elements apart. */
  text: string
  /** Where its `<` stands in the text that it was read from; 0 for elements that were made. */
  offset: number
}

/** Makes an element; attributes without a value are left out. */
export function element(
  name: string,
  attributes: Record<string, string | undefined> = {},
  content: string | readonly XmlElement[] = [],
): XmlElement {
  const present = Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const isText = typeof content === 'string'
  return {
    name,
    attributes: new Map(present),
    children: isText ? [] : [...content],
    text: isText ? content : '',
    offset: 0,
  }
}

export const childrenOf = (parent: XmlElement, name: string): XmlElement[] =>
  parent.children.filter((child) => child.name === name)

export const firstChild = (parent: XmlElement, name: string): XmlElement | undefined =>
  parent.children.find((child) => child.name === name)

/** The element and everything in it, each before its children. */
export function* elementsIn(root: XmlElement): Generator<XmlElement> {
  const open = [root]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next
    for (let index = next.children.length - 1; index >= 0; index--) open.push(next.children[index] as XmlElement)
  }
}
