import assert from 'node:assert/strict'
import { type DeviceId, PackageId } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, makeKeyring } from '../deployments/testing/site-world.ts'
import { silentLog } from '../log.ts'
import { createPush } from './push.ts'

const keyring = await makeKeyring()

onEveryDatabase('who waits for a package is told when it has arrived, and nobody else', async (db) => {
  const { deployToInternet, enrol } = await createSiteWorld(db, keyring)
  const { deviceId } = await deployToInternet()
  await enrol('dev_stranger000')
  const told = async (id: string) => {
    const { promise, resolve } = Promise.withResolvers<readonly DeviceId[] | undefined>()
    createPush({ db, tell: resolve, log: silentLog }).packageArrived(PackageId.parse(id))
    return await promise
  }
  assert.deepEqual(await told('ABC00002'), [deviceId])
  assert.deepEqual(await told('ABC00009'), [])
})
