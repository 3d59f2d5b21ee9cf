/**
 * Bytes of an XML file as text. Files of the original are UTF-8; what PowerShell writes is UTF-16 or the
 * code page of the machine (task-sequence-xml §1).
 */
export interface XmlFileText {
  text: string
  /** How the bytes were read, when nothing in them says so. */
  guessed?: string
}

export function decodeXml(bytes: Uint8Array): XmlFileText {
  const [a, b, c] = bytes
  if (a === 0xef && b === 0xbb && c === 0xbf) return { text: decode('utf-8', bytes.subarray(3)) }
  if (a === 0xff && b === 0xfe) return { text: decode('utf-16le', bytes.subarray(2)) }
  if (a === 0xfe && b === 0xff) return { text: decode('utf-16be', bytes.subarray(2)) }
  if (b === 0 && a !== 0) return { text: decode('utf-16le', bytes), guessed: 'UTF-16' }
  if (a === 0 && b !== 0) return { text: decode('utf-16be', bytes), guessed: 'UTF-16' }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch {
    return { text: decode('windows-1252', bytes), guessed: 'Windows-1252' }
  }
}

const decode = (encoding: string, bytes: Uint8Array): string => new TextDecoder(encoding).decode(bytes)
