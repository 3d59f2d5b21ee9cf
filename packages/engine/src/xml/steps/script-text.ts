/** Scripts of the console: UTF-16, lowest byte first, with its mark, in Base64 (task-sequence-xml §5). */

/** Undefined when it is not that, or the text would not be written back as it was. */
export function decodeScript(encoded: string): string | undefined {
  let bytes: string
  try {
    bytes = atob(encoded.replace(/\s+/g, ''))
  } catch {
    return undefined
  }
  if (bytes.length % 2 === 1 || !bytes.startsWith('\xff\xfe')) return undefined
  let text = ''
  for (let at = 2; at < bytes.length; at += 2)
    text += String.fromCharCode(bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8))
  // A half of a pair has no place in files of UTF-8.
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text) ? undefined : text
}

export function encodeScript(text: string): string {
  let bytes = '\xff\xfe'
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    bytes += String.fromCharCode(code & 0xff, code >> 8)
  }
  return btoa(bytes)
}
