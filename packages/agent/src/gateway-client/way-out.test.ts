/** A device behind a proxy that wants a name and a password, and gateways of an authority of its own. */
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTestAuthority } from '../testing/test-authority.ts'
import { startTestGateway } from '../testing/test-gateway.ts'
import { startTestProxy } from '../testing/test-proxy.ts'
import { createGatewayClient } from './gateway-client.ts'
import { readWayOut, type WayOut } from './way-out.ts'

const PASSWORD = 'p@ss:w/rd%'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-way-out-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

async function throughProxy(t: TestContext, port: number, credentials?: string): Promise<WayOut> {
  const folder = await folderOf(t)
  const credentialsFile = join(folder, 'proxy-credentials')
  if (credentials !== undefined) await writeFile(credentialsFile, `${credentials}\n`)
  const wayOut = await readWayOut({
    gatewayAuthorities: [],
    proxy: { url: `http://127.0.0.1:${port}`, ...(credentials === undefined ? {} : { credentialsFile }) },
  })
  assert.ok(wayOut.ok)
  return wayOut.value
}

function identified(t: TestContext, options: Parameters<typeof createGatewayClient>[0]) {
  const client = createGatewayClient(options)
  t.after(() => client.close())
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  client.identify({
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: createTestAuthority().issue({
      publicKey: createPublicKey(privateKey),
      name: { uri: 'urn:test:device' },
    }),
  })
  return client
}

test('every connection goes through the proxy, with the certificate of the device', async (t) => {
  const gateway = await startTestGateway(t, {
    health: () => ({ bytes: Buffer.from('well') }),
    catalogueMetadata: () => ({ bytes: Buffer.from('it') }),
    notify: () => ({ raw: (response) => response.writeHead(200).end('{"kind":"alive","spreadMs":0}\n') }),
  })
  const proxy = await startTestProxy(t, `name:${PASSWORD}`)
  const wayOut = await throughProxy(t, proxy.port, `name:${PASSWORD}`)
  const client = identified(t, { authority: gateway.authority.certificate, gateways: [gateway.address], wayOut })
  assert.ok((await client.call('health')).ok)
  assert.ok((await client.call('catalogueMetadata', { parameters: { file: 'timestamp.json' } })).ok)
  let heard = 0
  await client.listen({ onOpen: () => {}, onNotice: () => heard++, signal: new AbortController().signal })
  assert.equal(heard, 1)
  assert.deepEqual(
    gateway.requests.map(({ route, certificate }) => [route, certificate.length > 0]),
    [
      ['health', false],
      ['catalogueMetadata', true],
      ['notify', true],
    ],
  )
  assert.equal(proxy.asked.length, 3)
  assert.ok(proxy.asked.every(({ allowed }) => allowed))
})

test('a proxy that refuses is told as such, and nobody reads the password', async (t) => {
  const gateway = await startTestGateway(t, { catalogueMetadata: () => ({ bytes: Buffer.from('it') }) })
  const proxy = await startTestProxy(t, 'name:another')
  for (const credentials of [`name:${PASSWORD}`, undefined]) {
    const wayOut = await throughProxy(t, proxy.port, credentials)
    const client = identified(t, { authority: gateway.authority.certificate, gateways: [gateway.address], wayOut })
    const answer = await client.call('catalogueMetadata', { parameters: { file: 'timestamp.json' } })
    assert.ok(!answer.ok && answer.problem.code === 'UNREACHABLE')
    assert.match(answer.problem.detail, /407/)
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(`name:${PASSWORD}`).toString('base64')])
      assert.ok(!JSON.stringify(answer).includes(secret), answer.problem.detail)
  }
  assert.equal(gateway.requests.length, 0)
})

test('a gateway of another authority is spoken to when the configuration names that authority', async (t) => {
  const gateway = await startTestGateway(t, { catalogueMetadata: () => ({ bytes: Buffer.from('it') }) })
  const file = join(await folderOf(t), 'authority.pem')
  await writeFile(file, gateway.authority.certificate)
  const wayOut = await readWayOut({ gatewayAuthorities: [file] })
  assert.ok(wayOut.ok)
  const authority = createTestAuthority().certificate
  const call = (more: { wayOut?: WayOut }) =>
    identified(t, { authority, gateways: [gateway.address], ...more }).call('catalogueMetadata', {
      parameters: { file: 'timestamp.json' },
    })
  assert.equal((await call({})).ok, false)
  assert.equal((await call({ wayOut: wayOut.value })).ok, true)
})

test('files that cannot be used are named', async (t) => {
  const folder = await folderOf(t)
  const file = join(folder, 'x')
  await writeFile(file, 'no certificate, no credentials')
  for (const config of [
    { gatewayAuthorities: [file] },
    { gatewayAuthorities: [join(folder, 'nowhere')] },
    { gatewayAuthorities: [], proxy: { url: 'http://127.0.0.1:1', credentialsFile: file } },
  ]) {
    const read = await readWayOut(config)
    assert.ok(!read.ok && read.problem.code === 'CONFIGURATION_INVALID' && read.problem.detail.includes(folder))
  }
})
