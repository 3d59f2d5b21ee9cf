/** Certificates from a real ACME authority: pebble, on loopback. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { missing } from '@sluice/content/testing'
import { createLog } from '@sluice/protocol'
import { AcmeSettings } from '../settings/config.ts'
import { createWorld, until } from '../testing/gateway-world.ts'
import { keepAcmeCertificate } from './acme.ts'
import type { ServerCertificate } from './server-certificate.ts'

const DAY_MS = 24 * 3600_000
const NAME = 'gateway.example'

const hasPebble = spawnSync('pebble', ['-help']).error === undefined

describe('a certificate from an ACME authority', () => {
  let folder: string
  let pebble: ChildProcess
  let names: Socket
  let directoryUrl: string
  let challengePort: number
  let authorityFile: string
  before(async () => {
    if (!hasPebble) return
    const world = await createWorld()
    folder = await mkdtemp(join(tmpdir(), 'sluice-acme-'))
    authorityFile = join(folder, 'authority.pem')
    await writeFile(authorityFile, world.authority.gateway.certificate)
    const [listenPort, managementPort, httpPort, tlsPort] = await freePorts(4)
    challengePort = httpPort ?? 0
    names = await serveNames()
    const certificate = join(folder, 'pebble.pem')
    const privateKey = join(folder, 'pebble.key')
    await writeFile(certificate, world.server.cert)
    await writeFile(privateKey, world.server.key)
    const listenAddress = `127.0.0.1:${listenPort}`
    const config = {
      pebble: {
        ...{ listenAddress, managementListenAddress: `127.0.0.1:${managementPort}`, certificate, privateKey },
        ...{ httpPort, tlsPort, ocspResponderURL: '', externalAccountBindingRequired: false },
      },
    }
    await writeFile(join(folder, 'pebble.json'), JSON.stringify(config))
    await world.close()
    const words = ['-config', join(folder, 'pebble.json'), '-dnsserver', `127.0.0.1:${names.address().port}`]
    pebble = spawn('pebble', words, {
      // It refuses some requests by chance, as real ones do; and waits by chance, which is not needed here.
      env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const out of [pebble.stdout, pebble.stderr])
      out?.on('data', (text: Buffer) => {
        said += text.toString()
      })
    await until(() => said.includes('ACME directory available'), 'pebble')
    directoryUrl = `https://${listenAddress}/dir`
  })
  after(async () => {
    if (!hasPebble) return
    const ended = once(pebble, 'exit')
    pebble.kill('SIGTERM')
    await ended
    names.close()
    await rm(folder, { recursive: true })
  })

  const settings = (change: Partial<AcmeSettings> = {}): AcmeSettings => ({
    ...AcmeSettings.parse({ kind: 'acme', directoryUrl, names: [NAME], authorityFile }),
    challenge: { host: '127.0.0.1', port: challengePort },
    ...change,
  })

  test('is asked for, kept with its key for its owner only, and renewed before it ends', async (t) => {
    if (!hasPebble) return missing(t, 'pebble is not installed')
    let now = Date.now()
    const taken: ServerCertificate[] = []
    const said: string[] = []
    const open = () =>
      keepAcmeCertificate({
        settings: settings(),
        folder: join(folder, 'acme'),
        now: () => now,
        log: createLog((line) => said.push(line)),
        onCertificate: (next) => taken.push(next),
      })
    const first = await open()
    assert.equal(first.first, undefined)
    await first.look()
    assert.equal(first.failures(), 0, said.join('\n'))
    const certificate = new X509Certificate(taken[0]?.certificate ?? '')
    assert.equal(certificate.checkHost(NAME), NAME)
    for (const name of ['account.key', 'certificate.pem'])
      assert.equal((await stat(join(folder, 'acme', name))).mode & 0o777, 0o600, name)
    const account = await readFile(join(folder, 'acme', 'account.key'), 'utf8')
    assert.ok(!said.join().includes('PRIVATE'))
    await first.look()
    assert.equal(taken.length, 1, 'there is no hurry')
    await first.stop()

    const again = await open()
    assert.equal(again.first?.certificate, taken[0]?.certificate, 'a restart asks nobody')
    await again.look()
    assert.equal(taken.length, 1)
    now =
      certificate.validToDate.getTime() -
      (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 3 +
      DAY_MS
    await again.look()
    assert.equal(taken.length, 2)
    assert.notEqual(taken[1]?.certificate, taken[0]?.certificate)
    assert.equal(await readFile(join(folder, 'acme', 'account.key'), 'utf8'), account, 'the account stays')
    await again.stop()
  })

  test('that cannot be had leaves the old one in force, is told, and is tried again', async (t) => {
    if (!hasPebble) return missing(t, 'pebble is not installed')
    const said: string[] = []
    const taken: ServerCertificate[] = []
    let now = Date.now()
    const open = (change: Partial<AcmeSettings>) =>
      keepAcmeCertificate({
        settings: settings(change),
        folder: join(folder, 'failing'),
        now: () => now,
        log: createLog((line) => said.push(line)),
        onCertificate: (next) => taken.push(next),
      })
    const good = await open({})
    await good.look()
    assert.equal(taken.length, 1, said.join('\n'))
    await good.stop()

    now += 10 * 365 * DAY_MS
    const blocked = createServer().listen(challengePort, '127.0.0.1')
    await once(blocked, 'listening')
    const failing = await open({})
    await failing.look()
    assert.equal(failing.failures(), 1)
    assert.ok(
      said.some((line) => line.includes('acme.failed') && line.includes('in use')),
      said.join('\n'),
    )
    assert.equal(taken.length, 1)
    blocked.close()
    await once(blocked, 'close')
    await failing.look()
    assert.equal(failing.failures(), 0, said.join('\n'))
    assert.equal(taken.length, 2)
    await failing.stop()

    const unknown = await open({ authorityFile: join(folder, 'pebble.key'), names: ['other.example'] })
    await unknown.look()
    assert.equal(unknown.failures(), 1, 'an authority that nobody vouches for is not asked')
    assert.equal(unknown.first?.certificate, taken[1]?.certificate)
    await unknown.stop()
  })

  test('is shown to devices, while the site goes on to see its own', async (t) => {
    if (!hasPebble) return missing(t, 'pebble is not installed')
    const world = await createWorld()
    try {
      const { ports } = await world.startLinked({ serverCertificate: settings() })
      await world.logs('acme.certificate')
      const shown = (port: number) =>
        new Promise<string>((resolve, reject) => {
          const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
            resolve(socket.getPeerX509Certificate()?.subjectAltName ?? '')
            socket.destroy()
          })
          socket.once('error', reject)
        })
      assert.equal(await shown(ports.device), `DNS:${NAME}`)
      assert.equal(await shown(ports.enrolment), `DNS:${NAME}`)
      assert.match(await shown(ports.link), /URI:urn:sluice/)
    } finally {
      await world.close()
    }
  })
})

/** Answers every question for an address with 127.0.0.1, and every other with nothing (RFC 1035 §4). */
async function serveNames(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    let end = 12
    while (query[end] !== undefined && query[end] !== 0) end += (query[end] ?? 0) + 1
    const question = query.subarray(12, end + 5)
    const isAddress = query.readUInt16BE(end + 1) === 1
    const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0])
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])
    socket.send(Buffer.concat([head, question, ...(isAddress ? [answer] : [])]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
