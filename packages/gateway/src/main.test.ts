/** The gateway as a process. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ask, createWorld, gatewayId, siteId, until, type World } from './testing/gateway-world.ts'

const program = fileURLToPath(new URL('../bin/sluice-gateway.ts', import.meta.url))

interface Run {
  process: ChildProcess
  out: () => string
  err: () => string
  ended: Promise<number | null>
}

describe('the process', () => {
  let world: World
  let runs: Run[]
  before(async () => {
    world = await createWorld()
    const { server, authority, folder } = world
    await writeFile(join(folder, 'gateway.crt'), server.cert)
    await writeFile(join(folder, 'gateway.key'), server.key)
    await writeFile(join(folder, 'link-ca.crt'), authority.link.certificate)
  })
  after(() => world.close())
  beforeEach(() => {
    runs = []
  })
  afterEach(async () => {
    for (const run of runs) run.process.kill('SIGKILL')
    await Promise.all(runs.map(({ ended }) => ended))
  })

  async function start(change: Record<string, unknown> = {}): Promise<Run> {
    const anywhere = { host: '127.0.0.1', port: 0 }
    const config = {
      gatewayId,
      siteId,
      dataFolder: 'process-data',
      listeners: { enrolment: anywhere, device: anywhere, link: anywhere },
      certificateFile: 'gateway.crt',
      keyFile: 'gateway.key',
      linkAuthorityFile: 'link-ca.crt',
      drainMs: 100,
      ...change,
    }
    const file = join(world.folder, 'gateway.json')
    await writeFile(file, JSON.stringify(config))
    const child = spawn(process.execPath, [program, '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString()
    })
    const ended = once(child, 'close').then(([code]) => code as number | null)
    const run = { process: child, out: () => out, err: () => err, ended }
    runs.push(run)
    return run
  }

  const ready = (run: Run) => until(() => run.out().includes('\n') || run.process.exitCode !== null, 'the ready line')

  /** Starts what must not start; gives the one line it says. */
  async function refused(change: Record<string, unknown>): Promise<string> {
    const run = await start(change)
    assert.equal(await run.ended, 1)
    assert.equal(run.out(), '')
    const lines = run.err().trim().split('\n')
    assert.equal(lines.length, 1, run.err())
    return lines[0] ?? ''
  }

  test('says on one line that it is ready and where, serves, and ends on SIGTERM', async () => {
    const run = await start()
    await ready(run)
    const said = JSON.parse(run.out()) as Record<string, { host: string; port: number }> & { ready: boolean }
    assert.equal(said.ready, true)
    for (const name of ['enrolment', 'device', 'link']) assert.ok((said[name]?.port ?? 0) > 0)
    const health = await ask('/v1/health', { port: said.enrolment?.port ?? 0, agent: world.agent() })
    assert.deepEqual(health.json(), { ok: true })
    await world.site.connect(said.link?.port ?? 0)

    run.process.kill('SIGTERM')
    assert.equal(await run.ended, 0, run.err())
    assert.equal(run.out().split('\n').length, 2)
    for (const line of run.err().trim().split('\n')) assert.match(JSON.parse(line).message, /^[a-z]+\.[a-z-]+$/)
  })

  test('a taken port', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const anywhere = { host: '127.0.0.1', port: 0 }
    try {
      const line = await refused({
        listeners: { enrolment: anywhere, device: { host: '127.0.0.1', port }, link: anywhere },
      })
      assert.equal(line, `PORT_TAKEN: 127.0.0.1:${port} is in use.`)
    } finally {
      taken.close()
    }
  })

  test('a data folder that another gateway uses, until that one is killed', async () => {
    const first = await start()
    await ready(first)
    assert.match(await refused({}), /^DATA_FOLDER_IN_USE: .*process-data belongs to a running gateway/)
    first.process.kill('SIGKILL')
    await first.ended
    const next = await start()
    await ready(next)
    assert.match(next.out(), /"ready":true/)
  })

  test('a data folder of a newer version', async () => {
    await mkdir(join(world.folder, 'newer'))
    await writeFile(join(world.folder, 'newer', 'format.json'), '{"format":"sluice-gateway-data","v":99}')
    assert.match(await refused({ dataFolder: 'newer' }), /^DATA_TOO_NEW: .*format 99; this version reads up to 1/)
  })

  test('a configuration with a wrong and an unknown field', async () => {
    const line = await refused({ gatewayId: 'dev_0123456789', colour: 'blue' })
    assert.match(line, /^CONFIGURATION_INVALID: .*gateway\.json: .*gatewayId/)
    assert.match(line, /colour/)
  })

  test('files that are not there, or not what they should be', async () => {
    assert.match(await refused({ keyFile: 'nowhere.key' }), /^CONFIGURATION_INVALID: .*nowhere\.key/)
    assert.match(await refused({ keyFile: 'link-ca.crt' }), /^CONFIGURATION_INVALID: /)
  })
})
