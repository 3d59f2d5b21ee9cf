/**
 * Gives the whole buffer that bytes lie in back at once. The collector counts bytes outside its heap loosely:
 * it would let some 64 MB of them gather in each thread before it looks. Nobody may use the buffer
 * afterwards; Node's shared pool of small ones is left alone.
 */
export function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize && !buffer.detached) buffer.transfer(0)
}
