/** The check of a device: its own identity, its own configuration, a real gateway. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { problem } from '@sluice/protocol'
import { createWorld, deviceId, gatewayId, siteId } from '../../../gateway/src/testing/gateway-world.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { checkCommand } from './command.ts'

async function deviceOf(t: TestContext) {
  const world = await createWorld()
  t.after(() => world.close())
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  world.site.onRelay = async ({ routeId }) =>
    routeId === 'enrol'
      ? { status: 400, contentType: 'application/json', body: json(problem('BAD_REQUEST', 'x')) }
      : { status: 200, contentType: 'application/json', body: json({}) }
  const { ports } = await world.startLinked({ listeners: { shared: { host: '127.0.0.1', port: 0 } } })
  const url = `https://127.0.0.1:${ports.device}`
  const folder = temporaryFolder(t)
  const root = '{"signed":{}}'
  const site = {
    siteId,
    gateways: [{ gatewayId, name: 'Edge', kind: 'internet', deviceUrl: url, enrolmentUrl: url }],
    gatewayAuthority: world.authority.gateway.certificate,
    catalogueRootHash: createHash('sha256').update(root).digest('hex'),
  }
  writeFileSync(join(folder, 'bundle.json'), JSON.stringify({ format: 'sluice-enrolment/1', ...site }))
  const config = join(folder, 'agent.json')
  writeFileSync(config, JSON.stringify({ stateFolder: 'state', enrolmentBundle: 'bundle.json' }))
  const run = async (...args: string[]) => {
    const lines: string[] = []
    const output = { out: (line: string) => lines.push(line), error: (line: string) => lines.push(line) }
    const code = await checkCommand([...args, '--config', config], output, AbortSignal.timeout(120_000))
    return { code, text: lines.join('\n') }
  }
  /** What enrolment leaves. */
  const enrol = () => {
    const identity = join(folder, 'state/identity')
    mkdirSync(identity, { recursive: true })
    writeFileSync(join(identity, 'device.key'), world.device.key)
    const key = { keyid: 'k', publicKey: Buffer.alloc(32).toString('base64') }
    const trust = { siteId, policyKeys: [key], catalogueRoot: root }
    const known = { v: 1, site, deviceId, certificate: world.device.cert, trust }
    writeFileSync(join(identity, 'identity.json'), JSON.stringify(known))
  }
  return { world, run, enrol }
}

test('a device looks with what it has: before its enrolment as anybody, then with its certificate', async (t) => {
  const { world, run, enrol } = await deviceOf(t)
  const before = await run('--hold', '1')
  assert.equal(before.code, 0, before.text)
  assert.match(before.text, /^Gateway Edge, https:.*\n✓ Name/)
  assert.match(before.text, /- Device certificate: no certificate/)
  enrol()
  const after = await run('--hold', '1')
  assert.equal(after.code, 0, after.text)
  assert.match(after.text, /✓ Device certificate: is accepted, and valid for 29 days more\n✓ Policy/)
  assert.match(after.text, /✓ Quiet connection: gives news at once/)
  world.site.cut()
  await world.logs('link.ended', 2)
  const cut = await run('--hold', '1', '--json')
  assert.equal(cut.code, 1)
  const [found] = JSON.parse(cut.text) as { gateway: string; faults: number }[]
  assert.deepEqual([found?.gateway, found?.faults], ['Edge', 2])
})

test('without a configuration it says what it needs', async () => {
  const lines: string[] = []
  const output = { out: () => {}, error: (line: string) => lines.push(line) }
  assert.equal(await checkCommand(['--hold', '1'], output, new AbortController().signal), 2)
  assert.match(lines.join('\n'), /Usage: sluice-agent check --config/)
})
