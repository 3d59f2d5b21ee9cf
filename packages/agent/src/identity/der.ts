/**
 * Writes DER (X.690), as much of it as a certificate request needs. A library for X.509 costs an
 * idle agent eleven packages in memory for thirty lines of work.
 */

/** Tag, length and content. */
export function element(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content])
}

export const sequence = (...parts: Uint8Array[]): Buffer => element(0x30, ...parts)
export const set = (...parts: Uint8Array[]): Buffer => element(0x31, ...parts)
export const utf8 = (text: string): Buffer => element(0x0c, Buffer.from(text, 'utf8'))
/** A whole number below 128. */
export const smallInteger = (value: number): Buffer => element(0x02, Buffer.from([value]))
export const bitString = (bytes: Uint8Array): Buffer => element(0x03, Buffer.from([0]), bytes)
/** Constructed element with a tag of its context: `[n]`. */
export const context = (n: number, ...parts: Uint8Array[]): Buffer => element(0xa0 | n, ...parts)

/** Object identifier in dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** `CN=name` as a distinguished name. */
export const commonName = (name: string): Buffer => sequence(set(sequence(oid('2.5.4.3'), utf8(name))))

/** ecdsa-with-SHA256 (RFC 5758 §3.2). */
export const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))

export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0))
  return Buffer.concat([Buffer.from([0x80 | digits.length]), digits])
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80)
  return digits
}
