/** The gateway's own certificate: replaced in its files, and near its end. */
import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { gatewayUri } from '@sluice/protocol'
import { createGateway } from '../gateway.ts'
import { createLog } from '../log.ts'
import { createWorld, gatewayId, siteId, type World } from '../testing/gateway-world.ts'
import { certificateHash } from './device-certificate.ts'
import { watchCertificate } from './server-certificate.ts'

const DAY_MS = 24 * 3600_000

describe('the certificate of the gateway', () => {
  let world: World
  before(async () => {
    world = await createWorld()
  })
  after(() => world.close())

  const issue = (more = {}) => world.authority.gateway.issue(gatewayUri(siteId, gatewayId), more)

  /** Hash of the certificate that a listener shows. */
  const shownAt = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: world.authority.gateway.certificate }, () => {
        const certificate = socket.getPeerX509Certificate()
        resolve(certificate === undefined ? '' : certificateHash(certificate))
        socket.destroy()
      })
      socket.on('error', reject)
    })

  test('is read again when its files change; half of a pair is not taken, and the link comes back', async () => {
    const [first, second] = [await issue(), await issue()]
    const files = { certificate: join(world.folder, 'own.pem'), key: join(world.folder, 'own.key') }
    const put = async (file: string, text: string) => {
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
    }
    await put(files.certificate, first.cert)
    await put(files.key, first.key)
    const created = await createGateway({
      config: world.config(),
      tls: { certificate: first.cert, key: first.key, linkAuthority: world.authority.link.certificate },
      certificateFiles: files,
      log: createLog((line) => world.logged.push(line)),
    })
    assert.ok(created.ok)
    const { ports, stop } = created.value
    try {
      await world.site.connect(ports.link)
      await world.logs('link.up')
      for (const port of [ports.enrolment, ports.device]) assert.equal(await shownAt(port), first.hash)

      await put(files.key, second.key)
      await world.logs('certificate.not-taken')
      assert.equal(await shownAt(ports.device), first.hash)
      await put(files.certificate, second.cert)
      await world.logs('certificate.replaced')
      for (const port of [ports.enrolment, ports.device]) assert.equal(await shownAt(port), second.hash)
      await world.logs('link.ended')
      await world.site.connect(ports.link, ['control'])
      await world.logs('link.up', 2)
      assert.ok(!world.logged.join('\n').includes('PRIVATE'))
    } finally {
      await stop()
    }
  })

  test('its end is told 30, 14 and 3 days ahead, once each, and no more after it was replaced', async () => {
    const start = Date.now()
    let now = start
    const { cert: certificate, key } = await issue({ issuedAt: start, lifeMs: 100 * DAY_MS })
    const told: string[] = []
    const watch = watchCertificate({
      first: { certificate, key },
      now: () => now,
      log: createLog((line) => {
        const { level, message, daysLeft } = JSON.parse(line)
        told.push(`${level} ${message} ${daysLeft}`)
      }),
      onChange: () => {},
    })
    try {
      for (let day = 0; day <= 101; day++) {
        now = start + day * DAY_MS + 1000
        await watch.look()
      }
      assert.deepEqual(told, [
        'warn certificate.expires 29',
        'warn certificate.expires 13',
        'error certificate.expires 2',
      ])
    } finally {
      await watch.stop()
    }
  })
})
