import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { ContentId, ContentTokenAnswer, ContentTokenClaims, ProblemError, Sha256 } from '@sluice/protocol'
import { compactDecrypt, jwtVerify } from 'jose'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { insertDevice } from '../testing/enrolled-device.ts'
import { createLibraryWorld, internal, internet, type LibraryWorld, siteId } from './testing/library-world.ts'

type Location = 'internet' | 'internal'

async function askingDevice(site: LibraryWorld, db: Kysely<Database>) {
  const keys = generateKeyPairSync('x25519')
  const device = await insertDevice(db, site.clock.now())
  const raw = keys.publicKey.export({ format: 'jwk' }).x ?? ''
  await db
    .updateTable('devices')
    .set({ seal_key: Buffer.from(raw, 'base64url').toString('base64') })
    .where('id', '=', device.id)
    .execute()
  return {
    ...device,
    sealKey: keys.privateKey,
    async ask(contents: ContentId[], location: Location = 'internet', caller = device.caller) {
      const { kind, body } = await site.library.contentToken({
        caller,
        gateway: { gatewayId: location === 'internet' ? internet : internal, kind: location },
        parameters: {},
        body: { contents },
        signal: AbortSignal.timeout(120_000),
      })
      assert.equal(kind, 'json')
      return ContentTokenAnswer.parse(body)
    },
  }
}

function withDevice(
  name: string,
  body: (site: LibraryWorld, device: Awaited<ReturnType<typeof askingDevice>>, db: Kysely<Database>) => Promise<void>,
): void {
  onEveryDatabase(name, async (db) => {
    const site = await createLibraryWorld(db)
    try {
      await body(site, await askingDevice(site, db), db)
    } finally {
      await site.close()
    }
  })
}

/** Imports a package and has it at both gateways, entitled to the device. */
async function distributed(site: LibraryWorld): Promise<ContentId> {
  const { id, contentId = assert.fail() } = await site.imported({ a: 100_000 })
  await site.library.distribute(id, [internet, internal])
  await site.install(internet, contentId)
  await site.install(internal, contentId)
  site.world.entitled.add(contentId)
  return contentId
}

withDevice('a device gets a token for its certificate, and a key that only it can open', async (site, device, db) => {
  const contentId = await distributed(site)
  const { token, expiresAt, grants, refused } = await device.ask([contentId, contentId])
  assert.deepEqual(refused, [])
  assert.equal(Date.parse(expiresAt), site.clock.now() + 24 * 3600_000)

  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(site.contentTokenKey.publicKey).toString('base64url') },
    format: 'jwk',
  })
  const { payload, protectedHeader } = await jwtVerify(token, key, {
    algorithms: ['EdDSA'],
    typ: 'content+jwt',
    issuer: siteId,
    subject: device.id,
    audience: 'sluice-content',
    currentDate: new Date(site.clock.now()),
  })
  assert.equal(protectedHeader.kid, site.contentTokenKey.keyid)
  const claims = ContentTokenClaims.parse(payload)
  assert.deepEqual(claims.contents, [contentId])
  assert.equal(claims.cnf['x5t#S256'], Buffer.from(device.caller.certificate, 'hex').toString('base64url'))

  const [grant = assert.fail()] = grants
  assert.equal(grants.length, 1)
  const { plaintext } = await compactDecrypt(grant.sealedKey, device.sealKey)
  const row = await db.selectFrom('packages').select('package_key').executeTakeFirstOrThrow()
  assert.deepEqual(Buffer.from(plaintext), Buffer.from(row.package_key))
  const other = createPrivateKey(generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await assert.rejects(compactDecrypt(grant.sealedKey, other))

  assert.deepEqual(
    grant.sources.map((source) => source.gatewayId),
    [internet],
  )
  const layout = await site.library.openObject('page', grant.layout.hash)
  assert.ok(layout.ok && layout.value.totalBytes === grant.layout.sizeBytes)
  assert.equal(
    Buffer.concat(await layout.value.body.toArray()).toString('base64'),
    grant.layoutRoot,
    'the root comes along',
  )
})

withDevice('a device inside is sent to the gateway inside first', async (site, device) => {
  const contentId = await distributed(site)
  const { grants } = await device.ask([contentId], 'internal')
  assert.deepEqual(
    grants[0]?.sources.map((source) => source.gatewayId),
    [internal, internet],
  )
})

withDevice('each setting that is off refuses with its own code', async (site, device) => {
  const contentId = await distributed(site)
  const refusal = async (location: Location = 'internet') => {
    const { token, grants, refused } = await device.ask([contentId], location)
    assert.deepEqual([token, grants.length, refused.length], ['', 0, 1])
    return refused[0]?.problem.code
  }
  const { clientSettings, gateways } = site.world
  const withCloud = (change: object) => {
    site.world.clientSettings = { ...clientSettings, cloudServices: { ...clientSettings.cloudServices, ...change } }
  }
  withCloud({ enableGateway: false })
  assert.equal(await refusal(), 'GATEWAY_USE_DISABLED')
  withCloud({ allowCloudDistributionPoint: false })
  assert.equal(await refusal(), 'CLOUD_CONTENT_DISABLED')
  assert.deepEqual(
    (await device.ask([contentId], 'internal')).grants[0]?.sources.map((source) => source.gatewayId),
    [internal],
    'inside, the cloud is not needed',
  )
  withCloud({})
  site.world.gateways = gateways.map((gateway) => ({ ...gateway, serveContent: false }))
  assert.equal(await refusal(), 'GATEWAY_CONTENT_DISABLED')
  assert.equal(await refusal('internal'), 'GATEWAY_CONTENT_DISABLED')
  site.world.gateways = gateways
  assert.equal((await device.ask([contentId])).grants.length, 1)

  site.world.entitled.clear()
  assert.equal(await refusal(), 'CONTENT_TOKEN_REFUSED')
})

withDevice('what is not whole at a gateway in reach, not released or unknown is refused', async (site, device) => {
  const { id, contentId = assert.fail() } = await site.imported({ a: 100_000 })
  const unknown = ContentId.parse('0'.repeat(64))
  for (const each of [contentId, unknown]) site.world.entitled.add(each)
  const codes = async () => (await device.ask([contentId, unknown])).refused.map((one) => one.problem.code)
  assert.deepEqual(await codes(), ['CONTENT_NOT_DISTRIBUTED', 'CONTENT_TOKEN_REFUSED'])
  await site.library.distribute(id, [internet])
  assert.deepEqual(await codes(), ['CONTENT_NOT_DISTRIBUTED', 'CONTENT_TOKEN_REFUSED'])
  await site.install(internet, contentId)
  assert.deepEqual(await codes(), ['CONTENT_TOKEN_REFUSED'])
})

withDevice('a stranger, a revoked device and no device get nothing', async (site, device, db) => {
  const contentId = await distributed(site)
  const refusedWith = (code: string) => (error: unknown) => error instanceof ProblemError && error.problem.code === code
  const stranger = { ...device.caller, certificate: Sha256.parse('1'.repeat(64)) }
  await assert.rejects(device.ask([contentId], 'internet', stranger), refusedWith('DEVICE_UNKNOWN'))
  await assert.rejects(
    device.ask([contentId], 'internet', { identity: 'anonymous', remoteAddress: '192.0.2.1' } as never),
    refusedWith('NOT_AUTHENTICATED'),
  )
  await db.updateTable('devices').set({ state: 'revoked' }).where('id', '=', device.id).execute()
  await assert.rejects(device.ask([contentId]), refusedWith('CERTIFICATE_REVOKED'))
})
