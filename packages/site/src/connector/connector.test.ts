/** The connector with a real gateway at the other end of real connections. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { createGateway, type Gateway, GatewayConfig } from '@sluice/gateway'
import { gatewayUri, silentLog } from '@sluice/protocol'
import type { Connector } from './connector.ts'
import { createLinkedSite, type LinkedSite, sha256, until } from './testing/linked-site.ts'

describe('connector and gateway', () => {
  let site: LinkedSite
  let made: Awaited<ReturnType<LinkedSite['makeGateway']>>
  let device: Awaited<ReturnType<LinkedSite['makeDevice']>>
  let gateway: Gateway | undefined
  let connector: Connector | undefined
  const agents: Agent[] = []
  before(async () => {
    site = await createLinkedSite()
    made = await site.makeGateway('Edge')
    device = await site.makeDevice('dev_0123456789')
  })
  afterEach(async () => {
    await connector?.stop()
    await gateway?.stop()
    connector = gateway = undefined
  })
  after(async () => {
    for (const agent of agents) agent.destroy()
    await site.close()
  })

  async function startGateway(linkPort = 0, credentials = made): Promise<Gateway> {
    const anywhere = { host: '127.0.0.1', port: 0 }
    const created = await createGateway({
      config: GatewayConfig.parse({
        gatewayId: made.gatewayId,
        siteId: made.siteId,
        dataFolder: join(site.folder, 'gateway'),
        listeners: { enrolment: anywhere, device: anywhere, link: { host: '127.0.0.1', port: linkPort } },
        certificateFile: 'unused',
        keyFile: 'unused',
        linkAuthorityFile: 'unused',
        drainMs: 100,
      }),
      tls: { certificate: credentials.certificate, key: credentials.key, linkAuthority: made.linkAuthority },
      log: silentLog,
    })
    if (!created.ok) throw new Error(created.problem.detail)
    gateway = created.value
    await site.moveGateway(made.gatewayId, gateway.ports.link)
    return gateway
  }
  async function startConnector(): Promise<void> {
    connector = site.connector()
    await connector.start()
  }
  const link = async () => (await site.gateways.infos()).find(({ id }) => id === made.gatewayId)?.link
  const linkUp = () => until(async () => (await link())?.state === 'up', 'the link')

  function poll(credentials = device, path = '/v1/policy', body = '{}'): Promise<{ status: number; text: string }> {
    const agent = new Agent({ ca: site.identity.gatewayAuthority, cert: credentials.cert, key: credentials.key })
    agents.push(agent)
    return new Promise((resolve, reject) => {
      const port = gateway?.ports.device
      const outgoing = request({ host: '127.0.0.1', port, path, method: 'POST', agent }, (incoming) => {
        let text = ''
        incoming.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, text }))
      })
      outgoing.once('error', reject)
      outgoing.end(body)
    })
  }

  test('a device asks through both, and the site knows who and through which gateway', async () => {
    await startGateway()
    await startConnector()
    await linkUp()
    const answer = await poll(device, '/v1/policy', '{"a":1}')
    assert.deepEqual(JSON.parse(answer.text), { routeId: 'policy', body: '{"a":1}' })
    const call = site.calls.at(-1)
    assert.deepEqual(call?.gateway, { gatewayId: made.gatewayId, kind: 'internet' })
    assert.deepEqual(call?.caller, {
      identity: 'device',
      deviceId: 'dev_0123456789',
      certificate: device.hash,
      expired: false,
      remoteAddress: '127.0.0.1',
    })
  })

  test('an answer of many MiB comes whole, while others are answered', async () => {
    const large = randomBytes(24 * 1024 * 1024)
    const plain = site.onCall
    site.onCall = async (routeId, call) =>
      routeId === 'policy'
        ? {
            status: 200,
            contentType: 'application/octet-stream',
            body: Buffer.from(large.toString('hex').slice(0, 30_000_000)),
          }
        : await plain(routeId, call)
    try {
      await startGateway()
      await startConnector()
      await linkUp()
      const [policy, ...others] = await Promise.all([
        poll(),
        ...Array.from({ length: 20 }, () => poll(device, '/v1/status')),
      ])
      assert.equal(policy?.text.length, 30_000_000, policy?.text.slice(0, 300))
      for (const { status } of others) assert.equal(status, 200)
    } finally {
      site.onCall = plain
    }
  })

  test('whoever of the two restarts, the link comes back', async () => {
    const { ports } = await startGateway()
    await startConnector()
    await linkUp()

    await gateway?.stop()
    await until(async () => (await link())?.state === 'down', 'the end of the link')
    await startGateway(ports.link)
    await linkUp()
    await until(async () => (await poll()).status === 200, 'an answer')

    await connector?.stop()
    assert.equal((await poll()).status, 503)
    await startConnector()
    await until(async () => (await poll()).status === 200, 'an answer')
  })

  test('a gateway that is added while the site runs is dialled', async () => {
    await startConnector()
    await startGateway()
    // Made before, dialled at its old address; the change of any gateway is what makes the site look.
    await site.gateways.change(made.gatewayId, {})
    await linkUp()
    const other = await site.makeGateway('Second')
    await until(async () => {
      const info = (await site.gateways.infos()).find(({ id }) => id === other.gatewayId)
      return info?.link.state === 'down' && info.link.problem?.code === 'UNREACHABLE'
    }, 'the attempt')
  })

  test('a revocation reaches the gateway at once', async () => {
    await startGateway()
    await startConnector()
    await linkUp()
    const lost = await site.makeDevice('dev_9876543210')
    assert.equal((await poll(lost)).status, 200)
    site.revoked.push(lost.hash)
    connector?.certificatesRevoked()
    // A poll that is under way when the connections are cut gets no answer at all.
    const refused = async () => (await poll(lost).catch(() => undefined))?.text.includes('CERTIFICATE_REVOKED') ?? false
    await until(refused, 'the refusal')
    assert.equal((await poll()).status, 200)
  })

  test('what is listed is pulled, what is reported is known, and more may be listed any time', async () => {
    const parts = [randomBytes(3_000_000), randomBytes(10_000)]
    const first = site.addContent(...parts)
    await startGateway()
    await startConnector()
    const present = (id: string) =>
      until(() => site.reports.some(({ contentId, state }) => contentId === id && state === 'present'), id)
    await present(first)
    for (const part of parts) {
      const hash = sha256(part)
      const file = join(site.folder, 'gateway', 'objects', 'packs', hash.slice(0, 2), hash)
      assert.equal(sha256(await readFile(file)), hash)
    }
    assert.ok(site.reports.every(({ gatewayId }) => gatewayId === made.gatewayId))

    const second = site.addContent(randomBytes(5_000))
    connector?.contentsChanged(made.gatewayId)
    await present(second)
  })

  test('another gateway in its place is not talked to', async () => {
    const other = await site.makeGateway('Impostor')
    await startGateway(0, other)
    await startConnector()
    await until(async () => {
      const state = await link()
      return state?.state === 'down' && (state.problem?.detail.includes('belongs to another gateway') ?? false)
    }, 'the refusal')
    assert.notEqual(gatewayUri(made.siteId, made.gatewayId), gatewayUri(made.siteId, other.gatewayId))
    assert.equal((await poll()).status, 503)
  })
})
