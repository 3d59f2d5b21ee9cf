/** What the site proves itself with elsewhere: sealed, replaced while everything runs, and taken over from the files of before. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import { type PointStorage, Sha256 } from '@sluice/protocol'
import { openLinkProxy } from '../connector/link-proxy.ts'
import { createCloudPoints } from '../content/cloud-points.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { silentLog } from '../log.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { refusedAs } from '../testing/refusal.ts'
import { adoptStorageFiles } from './credential-files.ts'
import { createCredentials } from './credentials.ts'
import { openVault } from './vault.ts'

const azurite = await startAzurite()
after(() => azurite.close())

onEveryDatabase('credentials are sealed, replaced after they were tried, and taken over from files', async (db) => {
  const folder = await mkdtemp(join(tmpdir(), 'site-credentials-'))
  try {
    const clock = createManualClock()
    const vault = await openVault({ file: join(folder, 'vault.key'), db, log: silentLog })
    const credentials = createCredentials({ db, vault, clock })
    let changes = 0
    const points = createCloudPoints({ db, credentials, clock, log: silentLog, onChanged: () => void changes++ })
    const kept = async () => JSON.stringify(await db.selectFrom('site_credentials').selectAll().execute())
    const containerUrl = azurite.containerUrl(await azurite.createContainer())
    const storage = (key: string, prefix = ''): PointStorage => ({
      ...{ kind: 'azureBlob', containerUrl, prefix },
      credential: { kind: 'sharedKey', account: azuriteAccount, key },
    })
    await assert.rejects(points.create({ name: 'cloud', storage: storage('AAAA') }), refusedAs('STORAGE_REFUSED'))
    assert.equal(await kept(), '[]')
    const { id } = await points.create({ name: 'cloud', storage: storage(azuriteKey) })
    assert.ok(!(await kept()).includes(azuriteKey.slice(0, 20)))
    const before = await points.forGateways()

    await assert.rejects(points.replaceCredentials(id, storage('AAAA')), refusedAs('STORAGE_REFUSED'))
    await assert.rejects(points.replaceCredentials(id, storage(azuriteKey, 'other/')), refusedAs('BAD_REQUEST'))
    assert.deepEqual(await points.forGateways(), before, 'what was refused changed nothing')
    clock.advance(1000)
    const sofar = changes
    await points.replaceCredentials(id, storage(azuriteKey))
    assert.equal(changes, sofar + 1, 'gateways hear of it')
    assert.notDeepEqual(await points.forGateways(), before, 'what gateways get is made of the new ones')

    // As an earlier version left it: a file, and nothing in the vault.
    const files = join(folder, 'storage')
    await mkdir(files)
    await db.deleteFrom('site_credentials').execute()
    await assert.rejects(points.open(id), refusedAs('KEYS_MISSING'))
    await writeFile(join(files, `${id}.json`), JSON.stringify({ v: 1, storage: storage(azuriteKey) }))
    await writeFile(join(files, 'dp_goneforever.json'), 'of a point that was removed')
    const adopt = () => adoptStorageFiles({ folder: files, db, credentials, log: silentLog })
    await adopt()
    assert.ok(!(await readdir(folder)).includes('storage'), 'nothing stays behind')
    await adopt()
    const none = { kind: 'pack', hash: Sha256.parse('0'.repeat(64)) } as const
    assert.equal(await (await points.open(id)).has(none), false, 'it opens the storage')
    await points.delete(id)
    assert.equal(await kept(), '[]')

    const credentialsFile = join(folder, 'proxy')
    const settings = { url: 'http://proxy.example:3128', credentialsFile }
    const proxy = () => openLinkProxy({ settings, db, credentials, log: silentLog })
    await assert.rejects(proxy(), refusedAs('CONFIGURATION_INVALID'))
    await writeFile(credentialsFile, 'one line\nand another')
    await assert.rejects(proxy(), refusedAs('CONFIGURATION_INVALID'))
    await writeFile(credentialsFile, 'sluice:s3cret\n')
    const at = { host: 'proxy.example', port: 3128 }
    assert.deepEqual(await (await proxy()).current(), { ...at, credentials: 'sluice:s3cret' })
    assert.ok(!(await readdir(folder)).includes('proxy'))
    const again = await proxy()
    assert.deepEqual(await again.current(), { ...at, credentials: 'sluice:s3cret' })
    await again.set('sluice:another')
    assert.deepEqual(await again.current(), { ...at, credentials: 'sluice:another' })
    assert.ok(!(await kept()).includes('another'))
    for (const [laterMs, expected] of [
      [-60_000, 'sluice:another'],
      [60_000, 'sluice:from-file'],
    ] as const) {
      await writeFile(credentialsFile, 'sluice:from-file')
      const at = new Date(clock.now() + laterMs)
      await utimes(credentialsFile, at, at)
      assert.equal((await (await proxy()).current())?.credentials, expected, 'a file from before a rotation is old')
    }
    await again.forget()
    assert.deepEqual(await again.current(), { ...at, credentials: undefined })
    const direct = await openLinkProxy({ settings: undefined, db, credentials, log: silentLog })
    assert.equal(await direct.current(), undefined)
    await assert.rejects(direct.set('sluice:s3cret'), refusedAs('CONFLICT'))
  } finally {
    await rm(folder, { recursive: true })
  }
})
