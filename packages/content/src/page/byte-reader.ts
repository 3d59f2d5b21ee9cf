/**
 * Reads the binary formats of this package. Every step is checked against the bytes that are left;
 * what does not fit throws `Malformed`, which the decoders turn into a problem.
 */
import type { Sha256 } from '@sluice/protocol'

export class Malformed extends Error {}

export class ByteReader {
  readonly #buffer: Buffer
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get left(): number {
    return this.#buffer.length - this.#position
  }

  byte(): number {
    const value = this.#buffer[this.#position]
    if (value === undefined) throw new Malformed('it ends too early')
    this.#position++
    return value
  }

  /** @param max largest value that makes sense here */
  varint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let factor = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (i > 0 && byte === 0) throw new Malformed('a number is not written in its shortest form')
        if (value > max) throw new Malformed(`a number is ${value}, more than ${max}`)
        return value
      }
      factor *= 0x80
    }
    throw new Malformed('a number is too long')
  }

  signed(max = Number.MAX_SAFE_INTEGER): number {
    const value = this.varint()
    const result = value % 2 === 0 ? value / 2 : -(value + 1) / 2
    if (Math.abs(result) > max) throw new Malformed(`a difference is ${result}, more than ${max}`)
    return result
  }

  /** A view of the next bytes. */
  bytes(count: number): Buffer {
    if (count > this.left) throw new Malformed('it ends too early')
    this.#position += count
    return this.#buffer.subarray(this.#position - count, this.#position)
  }

  hash(): Sha256 {
    return this.bytes(32).toString('hex') as Sha256
  }

  end(): void {
    if (this.left > 0) throw new Malformed(`${this.left} bytes follow its end`)
  }
}
