/**
 * The key that a gateway signs with is replaced while it runs, in the order of `docs/distribution-points.md`:
 * the new key is made, then the site gives it to the gateway, then the old one is taken out of force.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { openPointStorage, pointAccess } from '@sluice/content/stores'
import { startSwift } from '@sluice/content/testing/cloud'
import { CloudPointId, type PointStorage } from '@sluice/protocol'
import { ask, createWorld } from '../testing/gateway-world.ts'

const HOUR = 3600_000
const MiB = 1024 * 1024
/** Larger than one part of an upload. */
const PACK = randomBytes(9 * MiB)
const pointId = CloudPointId.parse('dp_0123456789')
const swift = await startSwift()
after(() => swift?.close())
const skip = swift === undefined ? 'OpenStack Swift is not installed (see docs/content.md)' : false

test('a gateway signs with the new key at once, and a device that is in the middle of a pack goes on', {
  skip,
}, async (t) => {
  if (swift === undefined) return
  const { reader, otherReader } = swift
  const { endpoint, region, bucket, credentials: writer } = await swift.createBucket()
  const place = { kind: 's3', endpoint, region, bucket, addressing: 'path', prefix: '', writer } as const
  const pointWith = async (storage: PointStorage) => ({
    ...{ pointId, name: 'cloud' },
    access: await pointAccess(storage, 24 * HOUR, Date.now()),
  })
  const world = await createWorld()
  t.after(() => world.close())
  const { site } = world
  site.configuration.distributionPoints = [await pointWith({ ...place, reader })]
  const { contentId, objects } = world.addContent({ kind: 'pack', bytes: PACK })
  const [pack] = objects
  assert.ok(pack !== undefined)
  const { kind, hash } = pack
  for (const { content } of site.contents) Object.assign(content, { own: false, points: [pointId] })
  assert.ok((await openPointStorage({ ...place, reader }).put({ kind, hash }, PACK)).ok)
  const { ports } = await world.startLinked()
  await world.logs('content.listed')
  const agent = world.agent(world.device)

  const address = async () => {
    const body = JSON.stringify({
      ...{ token: await world.token([contentId]), point: pointId },
      objects: [{ contentId, kind, hash }],
    })
    const answer = await ask('/v1/content/urls', { port: ports.device, agent, method: 'POST', body })
    const [one] = (answer.json().objects ?? []) as { url?: string }[]
    return one?.url ?? ''
  }
  const keyOf = (url: string) => new URL(url).searchParams.get('X-Amz-Credential')?.split('/')[0]
  const get = async (url: string, from: number, to: number) => {
    const answer = await fetch(url, { headers: { range: `bytes=${from}-${to - 1}` } })
    const bytes = Buffer.from(await answer.arrayBuffer())
    if (answer.status === 206) assert.deepEqual(bytes, PACK.subarray(from, to))
    return answer.status
  }

  const before = await address()
  assert.equal(keyOf(before), reader.accessKeyId)
  assert.equal(await get(before, 0, 3 * MiB), 206)

  await swift.letRead(bucket, [reader, otherReader])
  site.configuration = {
    ...site.configuration,
    distributionPoints: [await pointWith({ ...place, reader: otherReader })],
  }
  site.say({ kind: 'configuration', configuration: site.configuration })
  let renewed = await address()
  for (let tries = 0; keyOf(renewed) !== otherReader.accessKeyId; tries++) {
    assert.ok(tries < 1_000, 'the new key is in use')
    renewed = await address()
  }
  assert.equal(await get(before, 3 * MiB, 5 * MiB), 206, 'an address from before holds on')

  await swift.letRead(bucket, [otherReader])
  assert.equal(await get(before, 5 * MiB, PACK.length), 403, 'and no longer than its key')
  assert.equal(await get(renewed, 5 * MiB, PACK.length), 206)
  assert.equal(await get(await address(), 0, PACK.length), 206)
})
