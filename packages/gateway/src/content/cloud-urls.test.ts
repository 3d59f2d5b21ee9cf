/**
 * Cloud distribution points at a gateway: signed by it where its key signs (S3), relayed where it only reads
 * (Azure, with a signature of the container). Without the site for hours, and for devices that are shut out.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { openPointStorage, pointAccess } from '@sluice/content/stores'
import { azuriteAccount, azuriteKey, startAzurite, startSwift } from '@sluice/content/testing/cloud'
import { CloudPointId, type PointStorage, type Sha256 } from '@sluice/protocol'
import { ask, createWorld, type World } from '../testing/gateway-world.ts'

const HOUR = 3600_000
const PACK = randomBytes(100_000)
const azurite = await startAzurite()
const swift = await startSwift()
after(async () => {
  await azurite.close()
  await swift?.close()
})

async function relayedStorage(): Promise<PointStorage> {
  return {
    ...{ kind: 'azureBlob', containerUrl: azurite.containerUrl(await azurite.createContainer()), prefix: '' },
    credential: { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey },
  }
}
async function directStorage(): Promise<PointStorage> {
  if (swift === undefined) throw new Error('OpenStack Swift is not installed')
  const { endpoint, region, bucket, credentials: writer } = await swift.createBucket()
  return { kind: 's3', endpoint, region, bucket, addressing: 'path', prefix: '', writer, reader: swift.reader }
}

for (const [service, makeStorage, skip] of [
  ['relayed', relayedStorage, false],
  ['direct', directStorage, swift === undefined ? 'OpenStack Swift is not installed (see docs/content.md)' : false],
] as const)
  describe(`content of a cloud distribution point, ${service}`, { skip }, () => {
    const pointId = CloudPointId.parse('dp_0123456789')
    let world: World
    let time: number
    let fetchOne: () => Promise<{ status: number; url?: string; code?: string }>
    let get: (url: string) => Promise<number>

    beforeEach(async () => {
      time = Date.now()
      world = await createWorld({ now: () => time })
      const storage = await makeStorage()
      const access = await pointAccess(storage, 24 * HOUR, time)
      world.site.configuration.distributionPoints = [{ pointId, name: 'cloud', access }]
      const { contentId, objects } = world.addContent({ kind: 'pack', bytes: PACK })
      const [listed] = world.site.contents
      if (listed !== undefined) Object.assign(listed.content, { own: false, points: [pointId] })
      const hash = objects[0]?.hash as Sha256
      assert.ok((await openPointStorage(storage).put({ kind: 'pack', hash }, PACK)).ok)
      const { ports } = await world.startLinked()
      await world.logs('content.listed')
      const device = world.agent(world.device)
      fetchOne = async () => {
        const token = await world.token([contentId])
        const body = JSON.stringify({ token, point: pointId, objects: [{ contentId, kind: 'pack', hash }] })
        const answer = await ask('/v1/content/urls', { port: ports.device, agent: device, method: 'POST', body })
        const [one] = (answer.json().objects ?? []) as { url?: string }[]
        return { status: answer.status, url: one?.url ?? '', code: String(answer.json().code) }
      }
      get = async (url) => {
        const range = { range: `bytes=10-${PACK.length - 1}` }
        if (service === 'direct') {
          const answer = await fetch(url, { headers: range })
          const bytes = Buffer.from(await answer.arrayBuffer())
          if (answer.ok) assert.deepEqual(bytes, PACK.subarray(10))
          return answer.status
        }
        const path = url.slice(url.indexOf('/v1/'))
        const answer = await ask(path, { port: ports.device, agent: device, headers: range })
        if (answer.status === 206) assert.deepEqual(answer.body, PACK.subarray(10))
        return answer.status
      }
    })
    afterEach(() => world.close())

    test('goes on for four hours without a link, and then ends with a reason', async () => {
      assert.equal(await get((await fetchOne()).url ?? ''), 206)
      world.site.cut()
      await world.logs('link.ended')
      // As late as it may be, and no clock of the storage is turned for it.
      time += 4 * HOUR - 60_000
      const late = await fetchOne()
      assert.equal(late.status, 200)
      if (service === 'relayed') assert.equal(await get(late.url ?? ''), 206)
      time += 120_000
      const refused = await fetchOne()
      assert.deepEqual([refused.status, refused.code], [503, 'SITE_UNREACHABLE'])
    })

    test('ends for a device that is revoked: no address from then on, and none that it has holds longer than five minutes', async () => {
      const { url = '' } = await fetchOne()
      assert.equal(await get(url), 206)
      if (service === 'direct') {
        const { searchParams } = new URL(url)
        assert.ok(Number(searchParams.get('X-Amz-Expires')) <= 300)
        const parts = /^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/.exec(searchParams.get('X-Amz-Date') ?? '')
        const [, year, month, hour, minute, second] = parts ?? []
        const signedAt = Date.parse(`${year}-${month}-${hour}:${minute}:${second}`)
        assert.ok(Math.abs(signedAt - Date.now()) < 60_000, String(signedAt))
      }
      world.site.say({ kind: 'revoked', certificates: [world.device.hash] })
      while ((await fetchOne().catch(() => ({ status: 0 }))).status === 200) await new Promise(setImmediate)
      if (service === 'relayed') await assert.rejects(async () => assert.equal(await get(url), 206))
    })

    // The other one's addresses are the storage's to refuse.
    if (service === 'relayed')
      test('an address that the gateway signs for itself ends with its five minutes', async () => {
        const { url = '' } = await fetchOne()
        time += 299_000
        assert.equal(await get(url), 206)
        time += 2_000
        assert.equal(await get(url), 403)
      })
  })
