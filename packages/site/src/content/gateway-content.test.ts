/** A gateway changes from its own folder to cloud storage and back: nothing that a device may be fetching is missed. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after } from 'node:test'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import { CloudPointId, type GatewayId, PackageId, ProblemError } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createGateways } from '../gateways/gateways.ts'
import { openSiteIdentity } from '../identity/site-identity.ts'
import { silentLog } from '../log.ts'
import { createLibraryWorld, internal } from './testing/library-world.ts'

const id = PackageId.parse('ABC00001')
const azurite = await startAzurite()
after(() => azurite.close())

onEveryDatabase('a gateway uses storage instead of its folder, and its folder again', async (db) => {
  const site = await createLibraryWorld(db)
  try {
    const { clock, library, world } = site
    const identity = await openSiteIdentity({ db, folder: join(site.root, 'identity'), clock, log: silentLog })
    const gateways = createGateways({ db, identity, clock, log: silentLog })
    gateways.onChange(library.gatewayChanged)
    const at = { deviceUrl: 'https://edge.example:443', enrolmentUrl: 'https://edge.example:443' }
    const wanted = {
      ...at,
      name: 'Edge',
      kind: 'internet',
      linkAddress: 'edge.example:443',
      serveContent: true,
    } as const
    const { gatewayId } = await gateways.create(wanted)
    const change = async (contentPoint: CloudPointId | null) => {
      const changed = await gateways.change(gatewayId, { contentPoint })
      world.gateways = await gateways.infos()
      return changed.contentPoint
    }
    world.gateways = await gateways.infos()
    const point = await library.cloudPoints.create({
      name: 'cloud',
      storage: {
        kind: 'azureBlob',
        containerUrl: azurite.containerUrl(await azurite.createContainer()),
        prefix: '',
        credential: { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey },
      },
    })
    const state = async (place: GatewayId | CloudPointId, version: number) =>
      (await library.get(id)).distribution.find((one) => one.pointId === place && one.version === version)?.state
    const reaches = async (place: GatewayId | CloudPointId, version: number, wanted: string | undefined) => {
      while ((await state(place, version)) !== wanted) await new Promise((resolve) => setTimeout(resolve, 10))
    }

    const { contentId = assert.fail() } = await site.imported({ a: 100_000 })
    await library.distribute(id, [gatewayId])
    await site.install(gatewayId, contentId)
    await db
      .insertInto('content_leases')
      .values({ content_id: contentId, device_id: 'dev_0000000000' as never, until: clock.now() + 1000 })
      .execute()

    await assert.rejects(
      change(CloudPointId.parse('dp_nobody00000')),
      (error) => error instanceof ProblemError && error.problem.code === 'NOT_FOUND',
    )
    assert.equal(await state(gatewayId, 1), 'installed')
    assert.equal(await change(point.id), point.id)
    await reaches(point.id, 1, 'installed')
    await reaches(gatewayId, 1, 'removing')
    assert.ok(
      (await library.gatewayContents(gatewayId)).some((one) => one.own && one.points.includes(point.id)),
      'a device with a token still finds it in the folder',
    )
    await assert.rejects(
      library.cloudPoints.delete(point.id),
      (error) => error instanceof ProblemError && error.problem.code === 'CONFLICT',
    )

    // What is sent to the gateway, and what is newer, goes to the storage only.
    await site.imported({ a: 200_000 })
    await reaches(point.id, 2, 'installed')
    assert.equal(await state(gatewayId, 2), undefined)
    await library.validateDistribution(id, [gatewayId])
    assert.equal(await state(gatewayId, 2), undefined)
    await reaches(point.id, 2, 'installed')
    clock.advance(2000)
    await library.removeDistribution(id, { from: [internal], force: false })
    await reaches(gatewayId, 1, undefined)

    assert.equal(await change(null), undefined)
    assert.equal(await state(gatewayId, 2), 'waiting')
    assert.equal(await state(point.id, 2), 'installed', 'others may use it')
    const second = (await library.gatewayContents(gatewayId)).find((one) => one.own)
    await site.install(gatewayId, second?.contentId ?? assert.fail())
    assert.equal(await state(gatewayId, 2), 'installed')
    await library.removeDistribution(id, { from: [point.id], force: false })
    await reaches(point.id, 2, undefined)
    assert.equal(await state(gatewayId, 2), 'installed')
  } finally {
    await site.close()
  }
})
