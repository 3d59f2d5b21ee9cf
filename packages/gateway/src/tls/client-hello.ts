/**
 * Reads the server name from the first bytes of a TLS connection (RFC 8446 §4.1.2, RFC 6066 §3), and
 * nothing else: the bytes go on to a real TLS server as they came.
 */

/** Largest first message; a browser with every extension sends about 2 KiB. */
export const MAX_HELLO_BYTES = 16 * 1024

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0

export type ClientHello =
  /** Not whole yet. */
  | { kind: 'more' }
  /** In small letters; undefined when it names nobody. */
  | { kind: 'hello'; serverName: string | undefined }
  | { kind: 'refused' }

/** @param bytes all that came so far */
export function readClientHello(bytes: Buffer): ClientHello {
  try {
    const message = handshakeMessage(bytes)
    if (message !== undefined) return { kind: 'hello', serverName: serverNameOf(message) }
    return bytes.length < MAX_HELLO_BYTES ? { kind: 'more' } : { kind: 'refused' }
  } catch {
    return { kind: 'refused' }
  }
}

/** The body of the first message, put together from as many records as it takes. @throws when it is none */
function handshakeMessage(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = []
  let held = 0
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== HANDSHAKE || (at + 1 < bytes.length && bytes[at + 1] !== 3)) throw new Error('no handshake')
    if (at + 5 > bytes.length) return undefined
    const end = at + 5 + bytes.readUInt16BE(at + 3)
    if (end === at + 5 || end - at > MAX_HELLO_BYTES) throw new Error('a record of no use')
    parts.push(bytes.subarray(at + 5, end))
    held += Math.min(end, bytes.length) - at - 5
    at = end
    const message = Buffer.concat(parts)
    if (held >= 1 && message[0] !== CLIENT_HELLO) throw new Error('another message')
    if (held < 4) continue
    const length = message.readUIntBE(1, 3)
    if (length > MAX_HELLO_BYTES) throw new Error('too long')
    if (held >= 4 + length) return message.subarray(4, 4 + length)
  }
  return undefined
}

/** @throws when the message is shorter than it says */
function serverNameOf(message: Buffer): string | undefined {
  const cursor = new Cursor(message)
  cursor.skip(2 + 32)
  cursor.skip(cursor.number(1))
  cursor.skip(cursor.number(2))
  cursor.skip(cursor.number(1))
  if (cursor.left === 0) return undefined
  const extensions = cursor.part(cursor.number(2))
  while (extensions.left > 0) {
    const type = extensions.number(2)
    const extension = extensions.part(extensions.number(2))
    if (type !== SERVER_NAME) continue
    const names = extension.part(extension.number(2))
    if (names.number(1) !== HOST_NAME) throw new Error('an unknown kind of name')
    return names.part(names.number(2)).text().toLowerCase()
  }
  return undefined
}

class Cursor {
  readonly #bytes: Buffer
  #at = 0
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }
  get left(): number {
    return this.#bytes.length - this.#at
  }
  skip(length: number): void {
    if (length > this.left) throw new Error('too short')
    this.#at += length
  }
  number(size: 1 | 2): number {
    this.skip(size)
    return this.#bytes.readUIntBE(this.#at - size, size)
  }
  part(length: number): Cursor {
    this.skip(length)
    return new Cursor(this.#bytes.subarray(this.#at - length, this.#at))
  }
  text(): string {
    return this.#bytes.toString('latin1', this.#at)
  }
}
