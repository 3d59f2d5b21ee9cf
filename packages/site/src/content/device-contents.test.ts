import assert from 'node:assert/strict'
import { type ContentId, PackageId } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { insertDevice } from '../testing/enrolled-device.ts'
import { keepDeviceContents } from './device-contents.ts'
import { createLibraryWorld } from './testing/library-world.ts'

const id = PackageId.parse('ABC00001')

onEveryDatabase('what an update costs a device follows what it says of its cache', async (db) => {
  const site = await createLibraryWorld(db)
  try {
    const first = (await site.imported({ a: 300_000, b: 300_000 })).contentId ?? assert.fail()
    const second = (await site.imported({ a: 300_000, c: 200_000 })).contentId ?? assert.fail()
    const { id: deviceId } = await insertDevice(db, site.clock.now())
    const says = (contents: ContentId[]) =>
      db.transaction().execute((trx) =>
        keepDeviceContents(trx, {
          ...{ deviceId, receivedAt: site.clock.now() },
          message: {
            ...{ bootId: 'one', seq: 1, at: new Date(site.clock.now()).toISOString() },
            event: { kind: 'cacheState', contents, more: 0 },
          },
        }),
      )

    const nothing = await site.library.costs(id, {})
    assert.deepEqual([nothing.to, nothing.devices], [2, []])
    assert.ok(nothing.wholeBytes > 500_000)

    await says([first])
    const [older] = (await site.library.costs(id, {})).devices
    assert.deepEqual([older?.deviceId, older?.versions], [deviceId, [1]])
    assert.ok(older !== undefined && older.fetchBytes > 200_000 && older.fetchBytes < 220_000, 'c, and no frame of a')

    await says([first, second])
    const [newest] = (await site.library.costs(id, { device: deviceId })).devices
    assert.deepEqual([newest?.versions, newest?.fetchBytes], [[2, 1], 0])

    await says([])
    assert.deepEqual((await site.library.costs(id, {})).devices, [], 'what it said before counts no more')
  } finally {
    await site.close()
  }
})
