import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mock, test } from 'node:test'
import { type Caller, DeviceId, fail, GatewayId, ProblemError, Sha256, SiteId } from '@sluice/protocol'
import { Metadata, MetadataKind, type Root, type Targets } from '@tufjs/models'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { type KeyRole, type Keyring, keyRoles, type SigningKey } from '../keys/keyring.ts'
import { createLog, silentLog } from '../log.ts'
import { createManualClock, type ManualClock } from '../testing/manual-clock.ts'
import { type Catalogue, createCatalogue } from './catalogue.ts'
import { keepFresh } from './renewal.ts'
import { bins } from './roles.ts'

const HOUR = 3600_000
const siteId = SiteId.parse('site_0123456789')
const text = (content: string) => new TextEncoder().encode(content)

/** A keyring in memory: the files are tested with the keyring. */
function makeKeyring(): Keyring {
  const make = (): SigningKey => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    return {
      keyid: createHash('sha256').update(raw).digest('hex'),
      publicKey: raw,
      sign: (bytes) => sign(null, bytes, privateKey),
    }
  }
  const keys = Object.fromEntries(keyRoles.map((role) => [role, make()])) as Record<KeyRole, SigningKey>
  const none = { next: () => undefined, prepare: () => assert.fail('no files here'), adopt: async () => {} }
  return { ...keys, ...none }
}

const keyring = makeKeyring()
const deviceId = DeviceId.parse('dev_0123456789')
const certificate = Sha256.parse('c'.repeat(64))
const caller: Caller = { identity: 'device', deviceId, certificate, expired: false, remoteAddress: '127.0.0.1' }

const open = (db: Kysely<Database>, clock: ManualClock, keys = keyring) =>
  createCatalogue({
    db,
    keyring: keys,
    siteId,
    clock,
    // Admission is tested with the devices: here somebody is let in or not.
    requireDevice: async (who) =>
      who.identity === 'device'
        ? { id: who.deviceId, certificate: who.certificate, fingerprint: certificate, sealKey: '' }
        : fail('NOT_AUTHENTICATED', 'no certificate'),
  })

const request = (parameters: Record<string, string>, who: Caller = caller) => ({
  caller: who,
  gateway: { gatewayId: GatewayId.parse('gw_0123456789'), kind: 'internet' as const },
  parameters,
  body: undefined,
  signal: AbortSignal.timeout(120_000),
})

/** Asks as a device does. */
async function file(catalogue: Catalogue, name: string): Promise<string> {
  const answer = await catalogue.handlers.catalogueMetadata(request({ file: name }))
  assert.equal(answer.kind, 'bytes')
  return Buffer.from(answer.body as Uint8Array).toString()
}

/** Walks from the root to the bins as TUF says, verifying every signature, hash and version. */
async function walk(catalogue: Catalogue) {
  const rootText = catalogue.trust().catalogueRoot
  const root = Metadata.fromJSON(MetadataKind.Root, JSON.parse(rootText))
  root.verifyDelegate('root', root)
  const timestamp = Metadata.fromJSON(MetadataKind.Timestamp, JSON.parse(await file(catalogue, 'timestamp.json')))
  root.verifyDelegate('timestamp', timestamp)
  const { snapshotMeta } = timestamp.signed
  const snapshotText = await file(catalogue, `${snapshotMeta.version}.snapshot.json`)
  snapshotMeta.verify(Buffer.from(snapshotText))
  const snapshot = Metadata.fromJSON(MetadataKind.Snapshot, JSON.parse(snapshotText))
  root.verifyDelegate('snapshot', snapshot)
  const load = async (role: string, delegator: Pick<Metadata<Root>, 'verifyDelegate'>): Promise<Metadata<Targets>> => {
    const meta = snapshot.signed.meta[`${role}.json`]
    assert.ok(meta, role)
    const content = await file(catalogue, `${meta.version}.${role}.json`)
    meta.verify(Buffer.from(content))
    const metadata = Metadata.fromJSON(MetadataKind.Targets, JSON.parse(content))
    delegator.verifyDelegate(role, metadata)
    assert.equal(metadata.signed.version, meta.version)
    return metadata
  }
  const targets = await load('targets', root)
  const names: string[] = []
  for (const { role } of bins)
    for (const name of Object.keys((await load(role, targets)).signed.targets)) {
      assert.deepEqual([...(targets.signed.delegations?.rolesForTarget(name) ?? [])], [{ role, terminating: true }])
      names.push(name)
    }
  return { root, timestamp, snapshot, targets, names: names.toSorted() }
}

onEveryDatabase('what is released is found from the pinned root, through the bins', async (db) => {
  const catalogue = await open(db, createManualClock())
  assert.deepEqual((await walk(catalogue)).names, [])

  const releases = Array.from({ length: 40 }, (_, i) => ({
    name: `manifest/ABC0000${i % 10}/${i}`,
    bytes: text(`${i}`),
  }))
  await catalogue.releaseAll(releases)
  await catalogue.release('sequence/seq_0123456789/1', text('{"a":1}'))
  const { names, targets } = await walk(catalogue)
  assert.deepEqual(names, [...releases.map(({ name }) => name), 'sequence/seq_0123456789/1'].toSorted())
  assert.deepEqual(Object.keys(targets.signed.targets), [])
  assert.equal(createHash('sha256').update(catalogue.trust().catalogueRoot).digest('hex'), catalogue.rootHash())
})

onEveryDatabase('releasing again changes nothing; a released name never means other bytes', async (db) => {
  const clock = createManualClock()
  const catalogue = await open(db, clock)
  const first = await catalogue.release('manifest/ABC00001/1', text('one'))
  const before = await file(catalogue, 'timestamp.json')
  clock.advance(1000)
  assert.deepEqual(await catalogue.release('manifest/ABC00001/1', text('one')), first)
  const other = [
    { name: 'manifest/ABC00001/2', bytes: text('two') },
    { name: 'manifest/ABC00001/1', bytes: text('forged') },
  ]
  await assert.rejects(catalogue.releaseAll(other), (e) => e instanceof ProblemError && e.problem.code === 'CONFLICT')
  assert.equal(await file(catalogue, 'timestamp.json'), before)
  assert.deepEqual((await walk(catalogue)).names, ['manifest/ABC00001/1'])
  assert.deepEqual(await catalogue.released('manifest/ABC00001/1'), first)
  assert.equal(await catalogue.released('manifest/ABC00001/2'), undefined)
})

onEveryDatabase('releases at the same time all get in, in order', async (db) => {
  const catalogue = await open(db, createManualClock())
  const names = Array.from({ length: 12 }, (_, i) => `manifest/ABC00001/${i}`)
  await Promise.all(names.map((name) => catalogue.release(name, text(name))))
  assert.deepEqual((await walk(catalogue)).names, names.toSorted())
})

onEveryDatabase('a target is served by its hash, and nothing else is', async (db) => {
  const catalogue = await open(db, createManualClock())
  const { sha256 } = await catalogue.release('manifest/ABC00001/1', text('bytes'))
  const ask = (hash: string) => catalogue.handlers.catalogueTarget(request({ sha256: hash }))
  assert.equal(Buffer.from((await ask(sha256)).body as Uint8Array).toString(), 'bytes')
  const missing = (e: unknown) => e instanceof ProblemError && e.problem.code === 'NOT_FOUND'
  await assert.rejects(ask('0'.repeat(64)), missing)
  await assert.rejects(ask("' or 1=1 --"), missing)
  await assert.rejects(file(catalogue, '../keys/root.pem'), missing)
  await assert.rejects(file(catalogue, '2.root.json'), missing)

  const stranger: Caller = { identity: 'anonymous', remoteAddress: '127.0.0.1' }
  const { catalogueMetadata, catalogueTarget } = catalogue.handlers
  const turnedAway = (e: unknown) => e instanceof ProblemError && e.problem.code === 'NOT_AUTHENTICATED'
  await assert.rejects(catalogueMetadata(request({ file: 'timestamp.json' }, stranger)), turnedAway)
  await assert.rejects(catalogueTarget(request({ sha256 }, stranger)), turnedAway)
})

onEveryDatabase('signatures are renewed long before they expire, and only then', async (db) => {
  const clock = createManualClock()
  const catalogue = await open(db, clock)
  const days = 70
  const stamps = new Set<string>()
  for (let day = 0; day < days; day++) {
    clock.advance(24 * HOUR - 1)
    await catalogue.renew()
    stamps.add(await file(catalogue, 'timestamp.json'))
    await catalogue.renew()
    stamps.add(await file(catalogue, 'timestamp.json'))
  }
  assert.equal(stamps.size, days)
  const { timestamp, snapshot, targets } = await walk(catalogue)
  const daysLeft = (expires: string) => (Date.parse(expires) - clock.now()) / (24 * HOUR)
  assert.ok(daysLeft(timestamp.signed.expires) > 0.99)
  assert.ok(daysLeft(snapshot.signed.expires) > 3)
  assert.ok(daysLeft(targets.signed.expires) > 29)
  assert.equal(timestamp.signed.version, Math.floor(clock.now() / 1000))
  // Old files are dropped: what is kept does not grow with time.
  const { count } = await db
    .selectFrom('catalogue_metadata')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  assert.ok(count < 30, `${count} rows after ${days} days`)
})

onEveryDatabase('a site that was off for most of a year comes back with a new root, signed by the old', async (db) => {
  const clock = createManualClock()
  const catalogue = await open(db, clock)
  clock.advance(300 * 24 * HOUR)
  await catalogue.renew()
  const { root: pinned, timestamp } = await walk(catalogue)
  const root = Metadata.fromJSON(MetadataKind.Root, JSON.parse(await file(catalogue, '2.root.json')))
  pinned.verifyDelegate('root', root)
  root.verifyDelegate('root', root)
  root.verifyDelegate('timestamp', timestamp)
  assert.ok(Date.parse(root.signed.expires) > clock.now() + 364 * 24 * HOUR)
})

onEveryDatabase('an older snapshot stays as long as a timestamp that names it can live', async (db) => {
  const clock = createManualClock()
  const catalogue = await open(db, clock)
  const { snapshot } = await walk(catalogue)
  const name = `${snapshot.signed.version}.snapshot.json`
  const bytes = await file(catalogue, name)
  clock.advance(1000)
  await catalogue.release('manifest/ABC00001/1', text('x'))
  clock.advance(25 * HOUR)
  await catalogue.renew()
  assert.equal(await file(catalogue, name), bytes)
})

onEveryDatabase('a restored site goes on above every version it ever published', async (db) => {
  const clock = createManualClock()
  const catalogue = await open(db, clock)
  await catalogue.release('manifest/ABC00001/1', text('in the backup'))
  const backup = await db.selectFrom('catalogue_metadata').selectAll().execute()
  clock.advance(HOUR)
  await catalogue.release('manifest/ABC00001/2', text('after the backup'))
  const lost = await walk(catalogue)

  await db.deleteFrom('catalogue_metadata').execute()
  await db.insertInto('catalogue_metadata').values(backup).execute()
  await db.deleteFrom('catalogue_targets').where('name', '=', 'manifest/ABC00001/2').execute()
  clock.advance(1000)
  const restored = await open(db, clock)
  await restored.republish()
  const now = await walk(restored)
  assert.deepEqual(now.names, ['manifest/ABC00001/1'])
  assert.ok(now.timestamp.signed.version > lost.timestamp.signed.version)
  assert.ok(now.snapshot.signed.version > lost.snapshot.signed.version)
  for (const [role, meta] of Object.entries(lost.snapshot.signed.meta))
    assert.ok((now.snapshot.signed.meta[role]?.version ?? 0) > meta.version, role)
})

onEveryDatabase('other keys than the published ones are refused, and sign nothing', async (db) => {
  const clock = createManualClock()
  await open(db, clock)
  clock.advance(23 * HOUR)
  const before = await db.selectFrom('catalogue_metadata').selectAll().execute()
  const others = makeKeyring()
  for (const role of ['root', 'release', 'snapshot', 'timestamp', 'policy'] as const)
    await assert.rejects(
      open(db, clock, { ...keyring, [role]: others[role] }),
      (e) => e instanceof ProblemError && e.problem.code === 'KEYS_MISSING' && e.problem.detail.includes(role),
    )
  assert.deepEqual(await db.selectFrom('catalogue_metadata').selectAll().execute(), before)
})

const info = () => assert.fail('not looked at')

test('renewal goes on after a failure, and ends when it is told to', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const said: string[] = []
  const renew = mock.fn(async () => {
    throw new Error('the database is away')
  })
  const end = keepFresh(
    { renew, info },
    createLog((line) => said.push(line)),
  )
  t.mock.timers.tick(2 * HOUR)
  assert.equal(renew.mock.callCount(), 4)
  end()
  t.mock.timers.tick(2 * HOUR)
  assert.equal(renew.mock.callCount(), 4)
  keepFresh({ renew: async () => {}, info }, silentLog)()
})
