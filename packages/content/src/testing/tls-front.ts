/** TLS before a server that speaks none: bytes are passed on as they come. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { promisify } from 'node:util'

export interface TlsFront {
  port: number
  /** PEM file of the certificate, which is its own authority: for `NODE_EXTRA_CA_CERTS`. */
  certificateFile: string
  /** Connections so far that showed a certificate of their own. */
  clientCertificates(): number
  /** Answers so far that refused: HTTP 403. */
  refusals(): number
  /** From this many more bytes on nothing comes out any more, until `goOn`. */
  holdAfter(bytes: number): void
  goOn(): void
  close(): Promise<void>
}

const REFUSAL = Buffer.from('HTTP/1.1 403')

export async function startTlsFront(toPort: number): Promise<TlsFront> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-tls-'))
  const [certificateFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
    ...['-subj', '/CN=storage', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-out', certificateFile, '-keyout', keyFile],
  ])
  const sockets = new Set<Socket>()
  let certificates = 0
  let refusals = 0
  let left = Number.POSITIVE_INFINITY
  const held = new Set<() => void>()
  const tls = { cert: await readFile(certificateFile), key: await readFile(keyFile) }
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (near) => {
    if (near.getPeerX509Certificate() !== undefined) certificates++
    const far = connect(toPort, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far)
    const goOn = () => far.resume()
    far.on('data', (bytes: Buffer) => {
      if (bytes.subarray(0, 12).equals(REFUSAL)) refusals++
      left -= bytes.length
      const full = !near.write(bytes)
      if (left > 0 && !full) return
      far.pause()
      if (left <= 0) held.add(goOn)
      else near.once('drain', goOn)
    })
    far.on('end', () => near.end())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as { port: number }).port,
    certificateFile,
    clientCertificates: () => certificates,
    refusals: () => refusals,
    holdAfter(bytes) {
      left = bytes
    },
    goOn() {
      left = Number.POSITIVE_INFINITY
      for (const resume of held) resume()
      held.clear()
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  }
}
