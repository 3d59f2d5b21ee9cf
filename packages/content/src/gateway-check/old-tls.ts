/**
 * Does a server take TLS 1.0 or 1.1? Asked with a handshake of our own making, since the library
 * of today may no longer speak them itself (RFC 8996). Only the first answer is looked at.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { isIP } from 'node:net'

/** Minor numbers of the record layer: 3.1 is TLS 1.0, 3.2 is TLS 1.1. */
export const oldVersions = { 'TLS 1.0': 1, 'TLS 1.1': 2 } as const
export type OldVersion = keyof typeof oldVersions

/** Suites of those days: with ECDSA and RSA certificates, ephemeral and not (RFC 4492, RFC 5246). */
const SUITES = [0xc009, 0xc00a, 0xc013, 0xc014, 0x0033, 0x0039, 0x002f, 0x0035, 0x000a]

const u16 = (value: number) => Buffer.from([value >> 8, value & 255])
const sized = (bytes: Buffer) => Buffer.concat([u16(bytes.length), bytes])
const extension = (type: number, body: Buffer) => Buffer.concat([u16(type), sized(body)])

/** A whole ClientHello, in a record. */
function oldClientHello(version: OldVersion, serverName: string): Buffer {
  const name = sized(Buffer.concat([Buffer.from([0]), sized(Buffer.from(serverName, 'latin1'))]))
  const extensions = Buffer.concat([
    ...(isIP(serverName) === 0 ? [extension(0, name)] : []),
    extension(10, sized(Buffer.concat([u16(23), u16(24)]))), // P-256, P-384
    extension(11, Buffer.from([1, 0])), // uncompressed points
  ])
  const body = Buffer.concat([
    Buffer.from([3, oldVersions[version]]),
    randomBytes(32),
    Buffer.from([0]), // no session to resume
    sized(Buffer.concat(SUITES.map(u16))),
    Buffer.from([1, 0]), // no compression
    sized(extensions),
  ])
  const handshake = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body])
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(handshake)])
}

/** Whether the server goes on with the handshake. An alert, an end and silence are a no. Ends the socket. */
export function takesOldTls(
  socket: Socket,
  version: OldVersion,
  serverName: string,
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0)
    const late = setTimeout(() => socket.destroy(), timeoutMs)
    const read = (part: Buffer) => {
      answer = Buffer.concat([answer, part])
      if (answer.length >= 6) socket.destroy()
    }
    socket.on('error', () => {})
    socket.on('data', read)
    socket.once('close', () => {
      clearTimeout(late)
      // A record of the handshake, and in it a ServerHello.
      resolve(answer[0] === 22 && answer[5] === 2)
    })
    // A proxy's answer left it paused.
    socket.resume().write(oldClientHello(version, serverName))
  })
}
