import { addAbortSignal, Readable } from 'node:stream'

/** What a store is given, as a stream that ends with the signal. It may break while nobody reads it yet; reading says so again. */
export function sourceOf(bytes: Readable | Uint8Array, signal: AbortSignal | undefined): Readable {
  const source = bytes instanceof Readable ? bytes : Readable.from([bytes])
  source.on('error', () => undefined)
  return signal === undefined ? source : addAbortSignal(signal, source)
}
