/** Credentials of storage and of the proxy before the gateways, given and replaced by command. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import { type CommandResult, sluice } from './testing/command.ts'
import { startServer } from './testing/server.ts'

const folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'))
const resources = new AsyncDisposableStack()
let connection = ''
let container = ''

before(async () => {
  const azurite = await startAzurite()
  resources.defer(() => azurite.close())
  container = azurite.containerUrl(await azurite.createContainer())
  const config = join(folder, 'site.json')
  const admin = { host: '127.0.0.1', port: 0 }
  const linkProxy = { url: 'http://127.0.0.1:9' }
  await writeFile(config, JSON.stringify({ dataFolder: join(folder, 'site'), name: 'Test', admin, linkProxy }))
  connection = String(resources.use(await startServer('site', config)).ready.connectionFile)
})
after(async () => {
  await resources.disposeAsync()
  await rm(folder, { recursive: true })
})

const as = (...args: string[]): Promise<CommandResult> => sluice([...args, '--connection', connection])
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), `${text}\n`)
  return join(folder, name)
}

test('a cloud distribution point gets other credentials: those that work, for the same place, and never shown', async () => {
  const words = (verb: string, keyFile: string, place = container): string[] => [
    ...['distribution-point', verb, 'azure', 'cloud', '--container', place],
    ...['--account', azuriteAccount, '--key-file', keyFile],
  ]
  const right = await file('right.key', azuriteKey)
  const wrong = await file('wrong.key', Buffer.alloc(64, 'wrong').toString('base64'))
  const early = await as(...words('rotate', right))
  assert.match(early.stderr, /There is no distribution point cloud/)
  const added = await as(...words('add', right))
  assert.equal(added.code, 0, added.stderr)
  const refused = await as(...words('rotate', wrong))
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /STORAGE_REFUSED/)
  const elsewhere = await as(...words('rotate', right, `${container}other`))
  assert.equal(elsewhere.code, 1, elsewhere.stdout)
  const rotated = await as(...words('rotate', right))
  assert.equal(rotated.code, 0, rotated.stderr)
  assert.equal(rotated.stdout, added.stdout, 'the same point at the same place')
  for (const { stdout, stderr } of [added, refused, rotated]) assert.ok(!`${stdout}${stderr}`.includes(azuriteKey))

  const group = await as('distribution-point', 'group', 'create', 'Everywhere')
  assert.equal(group.code, 0, group.stderr)
  assert.match((await as('distribution-point', 'group', 'set', 'Everywhere', 'cloud')).stdout, /Members: +cloud\n/)
  assert.match((await as('distribution-point', 'group')).stdout, /cloud +0 +Everywhere\n/)
})

test('the proxy before the gateways: name and password are kept, replaced and forgotten', async () => {
  assert.match((await as('gateways', 'proxy')).stderr, /Give --credentials-file or --forget/)
  const kept = await as('gateways', 'proxy', '--credentials-file', await file('proxy', 'lodestar:horse battery'))
  assert.equal(kept.stdout, 'Kept in the vault; used from the next connection on.\n', kept.stderr)
  const malformed = await as('gateways', 'proxy', '--credentials-file', await file('bad', 'nobody'))
  assert.equal(malformed.code, 1)
  assert.match(malformed.stderr, /BAD_REQUEST/)
  const forgotten = await as('gateways', 'proxy', '--forget')
  assert.equal(forgotten.stdout, 'Forgotten.\n', forgotten.stderr)
})
