/**
 * Two processes of one site on one PostgreSQL, and one gateway that both have dialled: what one changes reaches a
 * device that asks the other; one is killed in the middle of the work, and nothing that was acknowledged is lost.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGateway, joinSite, readGatewayConfig } from '@sluice/gateway'
import {
  type AdminClient,
  DeploymentSettings,
  devicePath,
  EnrolmentAnswer,
  PolicyAnswer,
  PolicyBody,
  type Result,
  silentLog,
} from '@sluice/protocol'
import { findPostgres, startPostgres } from './db/testing/postgres-server.ts'
import { makeDeviceKey } from './testing/device-key.ts'
import { someAgent, someFacts } from './testing/enrolled-device.ts'
import { adminClientOf, type SiteProcess, startSiteProcess } from './testing/site-process.ts'

const missing = 'no PostgreSQL here: install it, or the optional packages'
const found = findPostgres()
const MESSAGES = 60

function must<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? '' : `${result.problem.code}: ${result.problem.detail}`)
  return result.value
}

async function until<T>(ask: () => Promise<T | undefined | false>, what: string): Promise<T> {
  for (const end = performance.now() + 120_000; performance.now() < end; await sleep(50)) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
  }
  throw new Error(`waited for ${what}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

interface Running {
  process: SiteProcess
  admin: AdminClient
}

async function startProcess(config: string): Promise<Running> {
  const process = await startSiteProcess(config)
  if (process.ready === undefined) throw new Error((await process.ended).stderr)
  return { process, admin: await adminClientOf(process.ready.connectionFile) }
}

test('two processes are one site, also when one of them is killed', {
  skip: found === undefined && process.env.CI !== 'true' ? missing : false,
}, async () => {
  if (found === undefined) throw new Error(missing)
  await using resources = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'site-processes-'))
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const server = await startPostgres(found)
  resources.defer(() => server.stop())
  const database = { kind: 'postgres', url: await server.createDatabase() }
  const at = (...names: string[]) => join(folder, ...names)
  const configure = async (name: string, more: object) => {
    const own = { dataFolder: at(name), contentFolder: at('content'), admin: { port: 0 } }
    await writeFile(at(`${name}.json`), JSON.stringify({ ...own, database, ...more }))
    return at(`${name}.json`)
  }
  const start = async (name: string, more = {}) => {
    const running = await startProcess(await configure(name, more))
    resources.defer(async () => {
      running.process.signal('SIGKILL')
      await running.process.ended
    })
    return running
  }

  const first = await start('first')
  // What the second needs of the first: the keys and the administrator's token.
  await mkdir(at('second'))
  await cp(at('first', 'keys'), at('second', 'keys'), { recursive: true })
  await cp(at('first', 'admin-token'), at('second', 'admin-token'))
  const second = await start('second')

  const ports = { device: await freePort(), enrolment: await freePort(), link: await freePort() }
  const { gatewayId, code } = must(
    await second.admin.call('createGateway', {
      body: {
        ...{ name: 'Edge', kind: 'internet', serveContent: true, linkAddress: `127.0.0.1:${ports.link}` },
        deviceUrl: `https://127.0.0.1:${ports.device}`,
        enrolmentUrl: `https://127.0.0.1:${ports.enrolment}`,
      },
    }),
  )
  const joined = await joinSite({
    ...{ code, folder: at('gateway'), host: '127.0.0.1', log: silentLog },
    signal: AbortSignal.timeout(60_000),
  })
  const { config, tls } = must(await readGatewayConfig(must(joined)))
  const gateway = must(await createGateway({ config: { ...config, drainMs: 100 }, tls, log: silentLog }))
  resources.defer(() => gateway.stop())
  // The first was told nothing of the gateway that the second made.
  for (const { admin } of [first, second])
    await until(
      async () => must(await admin.call('gateways')).some(({ id, link }) => id === gatewayId && link.state === 'up'),
      'the link of each process',
    )

  const { bundle } = must(await first.admin.call('createDeviceToken', { body: {} }))
  const key = await makeDeviceKey()
  const ask = askOf(bundle.gatewayAuthority)
  const identity = { facts: someFacts, agent: someAgent }
  const csr = await key.request()
  const sealKey = randomBytes(32).toString('base64')
  const enrolled = await ask(ports.enrolment, 'enrol', { token: bundle.token, csr, sealKey, ...identity })
  const device = EnrolmentAnswer.parse(JSON.parse(enrolled.text))
  assert.ok(device.state === 'approved')
  const deviceAgent = new Agent({
    ...{ ca: bundle.gatewayAuthority, cert: device.certificate, key: key.privateKey, keepAlive: true },
  })
  resources.defer(() => deviceAgent.destroy())
  const say = askOf(bundle.gatewayAuthority, deviceAgent)
  const nonce = 'a nonce of sixteen characters'
  const policy = async () => {
    const { status, text } = await say(ports.device, 'policy', { nonce, ...identity })
    assert.equal(status, 200, text)
    const { body } = PolicyAnswer.parse(JSON.parse(text))
    return PolicyBody.parse(JSON.parse(Buffer.from(body?.payload ?? '', 'base64').toString()))
  }

  let notices = 0
  const quiet = request({ host: '127.0.0.1', port: ports.device, path: devicePath('notify'), agent: deviceAgent })
  quiet.on('error', () => {})
  quiet.end()
  const [stream] = await once(quiet, 'response')
  stream.on('data', (line: Buffer) => {
    if (line.includes('"sync"')) notices++
  })

  // A change by each process, asked for at both: policy is asked for four times, and they take turns.
  const text =
    'format: sluice-sequence/1\nname: Upgrade\nsteps:\n  - type: runCommandLine\n    name: Go\n    commandLine: go\n'
  must(await first.admin.call('applySequence', { body: { fileName: 'up.yaml', text } }))
  const { id: collection } = must(await second.admin.call('createCollection', { body: { name: 'All' } }))
  must(await first.admin.call('setCollectionMembers', { id: collection, body: { members: [device.deviceId] } }))
  for (const [count, { admin }] of [first, second].entries()) {
    const before = notices
    const settings = DeploymentSettings.parse({ allowInternet: true })
    must(await admin.call('createDeployment', { body: { sequence: 'Upgrade', collection, settings } }))
    for (let i = 0; i < 4; i++) assert.equal((await policy()).deployments.length, count + 1)
    await until(async () => notices > before, 'the notice')
  }

  // One that reaches no gateway changes something: the device hears of it through the links of the others.
  await mkdir(at('third'))
  await cp(at('first', 'keys'), at('third', 'keys'), { recursive: true })
  await cp(at('first', 'admin-token'), at('third', 'admin-token'))
  const third = await start('third', { linkProxy: { url: `http://127.0.0.1:${await freePort()}` } })
  const before = notices
  must(await third.admin.call('syncDevice', { id: device.deviceId }))
  await until(async () => notices > before, 'the notice of a process without a link')
  third.process.signal('SIGKILL')

  let acknowledged = 0
  const event = { kind: 'agentProblem', problem: { code: 'NO_SPACE', title: 'Full', detail: 'Full', retry: 'never' } }
  while (acknowledged < MESSAGES) {
    if (acknowledged === MESSAGES / 2) first.process.signal('SIGKILL')
    const message = { bootId: 'boot', seq: acknowledged + 1, at: new Date().toISOString(), event }
    const { status, text: said } = await say(ports.device, 'status', { messages: [message] })
    assert.notEqual(status, 400, said)
    if (status === 200) acknowledged++
    else await sleep(50)
  }
  await first.process.ended
  assert.equal((await policy()).deployments.length, 2)
  const kept = must(await second.admin.call('status', { query: { after: '0', waitMs: '0' } }))
  assert.deepEqual(
    kept.map(({ message }) => message.seq),
    Array.from({ length: MESSAGES }, (_, i) => i + 1),
  )
})

const askOf =
  (ca: string, agent = new Agent({ ca })) =>
  (port: number, route: 'enrol' | 'policy' | 'status', body: unknown): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port, path: devicePath(route), method: 'POST', agent },
        (incoming) => {
          let text = ''
          incoming.setEncoding('utf8').on('data', (piece: string) => {
            text += piece
          })
          incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, text }))
        },
      )
      outgoing.once('error', reject)
      outgoing.end(JSON.stringify(body))
    })
