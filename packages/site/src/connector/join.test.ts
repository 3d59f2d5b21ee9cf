/** A real gateway joins a real site, lives on one port, renews its certificate, and is replaced. */
import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { createGateway, type Gateway, joinSite, readGatewayConfig } from '@sluice/gateway'
import { createLog, type JoinCode, readJoinCode, silentLog, writeJoinCode } from '@sluice/protocol'
import type { Connector } from './connector.ts'
import { createLinkedSite, freePort, type LinkedSite, until } from './testing/linked-site.ts'

describe('joining', () => {
  let site: LinkedSite
  let connector: Connector
  let gateway: Gateway | undefined
  before(async () => {
    site = await createLinkedSite()
    connector = site.connector()
    await connector.start()
  })
  afterEach(async () => {
    await gateway?.stop()
    gateway = undefined
  })
  after(async () => {
    await connector.stop()
    await site.close()
  })

  const offer = (name: string, port: number) => {
    const url = `https://127.0.0.1:${port}`
    return site.gateways.create({
      ...{
        name,
        kind: 'internet',
        deviceUrl: url,
        enrolmentUrl: url,
        linkAddress: `127.0.0.1:${port}`,
        serveContent: true,
      },
    })
  }
  const joining = (code: string, folder: string, log = silentLog) =>
    joinSite({ code, folder: join(site.folder, folder), host: '127.0.0.1', log, signal: AbortSignal.timeout(120_000) })

  async function start(configuration: string, now?: () => number): Promise<Gateway> {
    const read = await readGatewayConfig(configuration)
    assert.ok(read.ok)
    const { config, tls } = read.value
    const certificateFiles = { certificate: config.certificateFile, key: config.keyFile }
    const created = await createGateway({
      config,
      tls,
      certificateFiles,
      log: silentLog,
      ...(now === undefined ? {} : { now }),
    })
    assert.ok(created.ok)
    gateway = created.value
    return gateway
  }
  const linkUp = (id: string) =>
    until(async () => (await site.gateways.infos()).find((one) => one.id === id)?.link.state === 'up', 'the link')
  const change = (code: string, other: Partial<JoinCode>): string => {
    const read = readJoinCode(code)
    assert.ok(read.ok)
    return writeJoinCode({ ...read.value, ...other })
  }

  test('with a code: key made in place, one port, and the site links; the code is good once', async () => {
    const port = await freePort()
    const { code, gatewayId } = await offer('Edge', port)
    const said: string[] = []
    const joined = await joining(
      code,
      'edge',
      createLog((line) => said.push(line)),
    )
    assert.ok(joined.ok)
    const folder = join(site.folder, 'edge')
    assert.deepEqual((await readdir(folder)).sort(), [
      'gateway.json',
      'gateway.key',
      'gateway.pem',
      'link-authority.pem',
    ])
    for (const name of await readdir(folder)) assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name)
    const key = await readFile(join(folder, 'gateway.key'), 'utf8')
    const secret = readJoinCode(code)
    assert.ok(secret.ok && !said.join().includes(secret.value.secret) && !said.join().includes(key))
    assert.deepEqual(JSON.parse(await readFile(joined.value, 'utf8')).listeners, {
      shared: { host: '127.0.0.1', port },
    })

    await start(joined.value)
    await linkUp(gatewayId)
    const connections = async () => (await site.gateways.infos())[0]?.connections ?? []
    await until(async () => (await connections()).every(({ roundTripMs }) => roundTripMs !== undefined), 'pings')
    for (const one of await connections()) {
      assert.equal(one.state, 'up')
      assert.ok(one.dials >= 1 && one.sentBytes > 0 && one.receivedBytes > 0, JSON.stringify(one))
    }
    assert.equal((await joining(code, 'edge')).ok, false, 'the folder is in use')
  })

  test('with a wrong secret it is told so; with an authority that is not the site it waits for the right one', async () => {
    const port = await freePort()
    const { code } = await offer('Wrong', port)
    const wrong = await joining(change(code, { secret: 'A'.repeat(43) }), 'wrong')
    assert.ok(!wrong.ok && wrong.problem.code === 'NOT_AUTHENTICATED')
    assert.deepEqual(await readdir(join(site.folder, 'wrong')), [])

    const said: string[] = []
    const enough = new AbortController()
    const foreign = joinSite({
      code: change(code, { linkAuthority: site.identity.gatewayAuthority }),
      folder: join(site.folder, 'wrong'),
      host: '127.0.0.1',
      log: createLog((line) => said.push(line)),
      signal: enough.signal,
    })
    await until(() => said.some((line) => line.includes('join.refused')), 'the refusal')
    enough.abort()
    await assert.rejects(foreign, { name: 'AbortError' })
    assert.ok((await joining(code, 'wrong')).ok, 'the code still holds')
  })

  test('a running gateway renews its certificate over the link, and the site sees the new one', async () => {
    const { code, gatewayId } = await offer('Renewed', await freePort())
    const joined = await joining(code, 'renewed')
    assert.ok(joined.ok)
    const pem = () => readFile(join(site.folder, 'renewed', 'gateway.pem'), 'utf8')
    const before = await pem()
    // Two thirds of its two years have passed.
    await start(joined.value, () => Date.now() + 500 * 24 * 3600_000)
    await until(async () => (await pem()) !== before, 'the renewal')
    assert.equal(
      await readFile(join(site.folder, 'renewed', 'gateway.key'), 'utf8').then((key) => key.length > 0),
      true,
    )
    await linkUp(gatewayId)
  })

  test('another machine takes its place with a new code, under the same id', async () => {
    const port = await freePort()
    const { code, gatewayId } = await offer('Replaced', port)
    const first = await joining(code, 'replaced-1')
    assert.ok(first.ok)
    await start(first.value)
    await linkUp(gatewayId)
    await gateway?.stop()

    const second = await joining((await site.gateways.offerJoin(gatewayId)).code, 'replaced-2')
    assert.ok(second.ok)
    await start(second.value)
    await linkUp(gatewayId)
    const key = (folder: string) => readFile(join(site.folder, folder, 'gateway.key'), 'utf8')
    assert.notEqual(await key('replaced-1'), await key('replaced-2'))
  })

  test('a removed gateway is not dialled any more', async () => {
    const { gatewayId } = await offer('Removed', await freePort())
    await site.gateways.remove(gatewayId)
    await writeFile(join(site.folder, 'x'), '')
    assert.ok(!(await site.gateways.infos()).some(({ id }) => id === gatewayId))
  })
})
