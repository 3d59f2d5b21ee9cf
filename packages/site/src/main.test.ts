import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminClient, type AdminRouteId, ClientSettings, DeploymentSettings, type Result } from '@sluice/protocol'
import { onEveryDatabase } from './db/testing.ts'
import { adminClientOf, type SiteProcess, startSiteProcess } from './testing/site-process.ts'

const folder = await mkdtemp(join(tmpdir(), 'site-'))
after(() => rm(folder, { recursive: true }))

let sites = 0
async function newSite(more: object = {}): Promise<{ config: string; dataFolder: string }> {
  const home = join(folder, String(++sites))
  await mkdir(home)
  const config = join(home, 'site.json')
  const dataFolder = join(home, 'data')
  await writeFile(config, JSON.stringify({ dataFolder, admin: { port: 0 }, ...more }))
  return { config, dataFolder }
}

function value<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? '' : `${result.problem.code}: ${result.problem.detail}`)
  return result.value
}

async function running(config: string): Promise<{ site: SiteProcess; admin: AdminClient }> {
  const site = await startSiteProcess(config)
  if (site.ready === undefined) throw new Error((await site.ended).stderr)
  return { site, admin: await adminClientOf(site.ready.connectionFile) }
}

/** All that an administrator can see; what is true of a process only is left out. */
async function everything(admin: AdminClient): Promise<Record<string, unknown>> {
  const routes: AdminRouteId[] = [
    'site',
    'clientSettings',
    'packages',
    'sequences',
    'collections',
    'deployments',
    'devices',
    'status',
  ]
  const seen: Record<string, unknown> = {}
  for (const route of routes) seen[route] = value(await admin.call(route))
  seen.gateways = value(await admin.call('gateways')).map(({ link: _, connections: __, ...gateway }) => gateway)
  return seen
}

const sequence = (packageId: string) => `
format: sluice-sequence/1
name: Upgrade
steps:
  - type: runCommandLine
    name: Say hello
    commandLine: ./hello
    package: ${packageId}
`

onEveryDatabase('a site does its work over TLS, is killed, and has lost nothing', async (_, location) => {
  const { config, dataFolder } = await newSite(location.kind === 'postgres' ? { database: location } : {})
  const first = await running(config)
  let second: Awaited<ReturnType<typeof running>> | undefined
  try {
    const { admin } = first
    assert.equal(value(await admin.call('site')).database, location.kind)

    const source = join(dataFolder, '../source')
    await mkdir(source)
    await writeFile(join(source, 'hello'), randomBytes(300_000))
    const { packageId, jobId } = value(
      await admin.call('importPackage', { body: { name: 'Hello', kind: 'package', target: 'any', folder: source } }),
    )
    while (value(await admin.call('job', { id: jobId })).state !== 'succeeded') await sleep(20)
    value(await admin.call('applySequence', { body: { fileName: 'upgrade.yaml', text: sequence(packageId) } }))
    value(await admin.call('createCollection', { body: { name: 'Laptops' } }))
    const gateway = value(
      await admin.call('createGateway', {
        body: {
          name: 'edge',
          kind: 'internet',
          deviceUrl: 'https://127.0.0.1:1',
          enrolmentUrl: 'https://127.0.0.1:1',
          linkAddress: '127.0.0.1:1',
        },
      }),
    )
    value(await admin.call('distributeSequence', { id: 'Upgrade', body: { to: [gateway.gatewayId] } }))
    value(await admin.call('createDeviceToken', { body: {} }))
    const settings = DeploymentSettings.parse({ allowInternet: true })
    value(await admin.call('createDeployment', { body: { sequence: 'Upgrade', collection: 'Laptops', settings } }))
    value(
      await admin.call('setClientSettings', {
        body: ClientSettings.parse({ cloudServices: { enableGateway: false } }),
      }),
    )
    const before = await everything(admin)

    first.site.signal('SIGKILL')
    await first.site.ended
    second = await running(config)
    assert.deepEqual(await everything(second.admin), before)
    const { deployments } = before as { deployments: { internetRefusals: { code: string }[] }[] }
    assert.deepEqual(
      deployments[0]?.internetRefusals.map((refusal) => refusal.code).includes('GATEWAY_USE_DISABLED'),
      true,
    )

    second.site.signal('SIGTERM')
    assert.equal((await second.site.ended).code, 0)
    for (const entry of await readdir(dataFolder, { recursive: true, withFileTypes: true }))
      assert.equal((await stat(join(entry.parentPath, entry.name))).mode & 0o077, 0, `${entry.name} is for others too`)
  } finally {
    first.site.signal('SIGKILL')
    second?.site.signal('SIGKILL')
    await Promise.all([first.site.ended, second?.site.ended])
  }
})

/** Starts a site that cannot start, and returns what it says. */
async function refusal(config: string, prefix: string[] = []): Promise<string> {
  const site = await startSiteProcess(config, prefix)
  site.signal('SIGKILL') // should it have started after all
  const { code, stderr } = await site.ended
  assert.equal(code, 1, stderr)
  return stderr.trimEnd().split('\n').at(-1) ?? ''
}

test('two sites cannot have one data folder', async () => {
  const { config } = await newSite()
  const { site } = await running(config)
  try {
    assert.match(await refusal(config), /^DATA_FOLDER_IN_USE: .*another folder/)
  } finally {
    site.signal('SIGINT')
    assert.equal((await site.ended).code, 0)
  }
})

test('a port that is taken is said in one line', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { config } = await newSite({ admin: { port } })
  assert.match(await refusal(config), new RegExp(`^PORT_TAKEN: .*127\\.0\\.0\\.1:${port}.*choose another port`))
  taken.close()
})

test('a configuration with faults names them', async () => {
  const { config } = await newSite({ dataFolder: 7, colour: 'red' })
  const line = await refusal(config)
  assert.match(line, /^CONFIGURATION_INVALID: /)
  for (const part of [config, 'dataFolder', 'colour']) assert.ok(line.includes(part), line)
})

test('a database server that does not answer is said in one line, without the password', async () => {
  const unused = createServer().listen(0, '127.0.0.1')
  await once(unused, 'listening')
  const { port } = unused.address() as AddressInfo
  unused.close()
  await once(unused, 'close')
  const { config } = await newSite({
    database: { kind: 'postgres', url: `postgres://sluice:swordfish@127.0.0.1:${port}/sluice` },
  })
  const line = await refusal(config)
  assert.match(line, new RegExp(`^UNREACHABLE: .*127\\.0\\.0\\.1:${port}`))
  assert.ok(!line.includes('swordfish'))
})

test('the data folder of a newer version is left alone', async () => {
  const { config, dataFolder } = await newSite()
  await mkdir(dataFolder)
  const db = new DatabaseSync(join(dataFolder, 'site.db'))
  db.exec("create table migrations (name text primary key); insert into migrations values ('9999-tomorrow')")
  db.close()
  assert.match(await refusal(config), /^DATA_TOO_NEW: .*9999-tomorrow/)
})

/** A file system of 64 KiB over the folder, seen by one process only. */
const tinyDisk = (path: string) => [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"',
  path,
]

function canMount(): boolean {
  try {
    const [command, ...args] = [...tinyDisk(folder), 'true']
    execFileSync(command as string, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test('a full disk is said in one line', {
  skip: canMount() ? false : 'file systems cannot be mounted here',
}, async () => {
  const { config, dataFolder } = await newSite()
  await mkdir(dataFolder)
  assert.match(await refusal(config, tinyDisk(dataFolder)), /^NO_SPACE: /)
})
