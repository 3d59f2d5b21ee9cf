/**
 * Gateways come and go, and nobody touches the device: the list in its policy is signed and newer than
 * that of its bundle, it goes on to the next when one dies, also after a restart, and an older list is
 * never taken.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DeploymentId } from '@sluice/protocol'
import { must } from '../administrator.ts'
import { startDevice } from '../device/device.ts'
import { until } from '../until.ts'
import { startAnotherGateway } from './another-gateway.ts'
import { effectStep, startWorld } from './world.ts'

const LIMIT_MS = 120_000

test('two gateways, one dies; a third takes its place, the first is forgotten, and the device follows', async () => {
  await using resources = new AsyncDisposableStack()
  const { line, device, deploymentId } = await startWorld({
    ...{ resources, steps: effectStep('only'), packages: 0, packageBytes: 0, bytesPerSecond: 100 * 1024 * 1024 },
  })
  const { admin } = line
  const folder = await mkdtemp(join(tmpdir(), 'sluice-gateways-'))
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const [deployment] = must(await admin.call('deployments'))
  assert.ok(deployment)
  const { collectionId, sequenceId, settings } = deployment

  const addGateway = (name: string) => startAnotherGateway({ admin, resources, folder: join(folder, name), name })

  const items = async () => (await device.softwareCenter.state())?.items ?? []
  /** A new deployment reaches the device, through whichever gateway there is. */
  async function reached(what: string): Promise<void> {
    const made = must(
      await admin.call('createDeployment', { body: { sequence: sequenceId, collection: collectionId, settings } }),
    )
    await offered(made.id, what)
    const at = must(await admin.call('device', { id: device.id })).lastGatewayId
    lastGateway = at ?? lastGateway
  }
  const offered = (id: DeploymentId, what: string) =>
    until(async () => (await items()).some((one) => one.deploymentId === id), what, LIMIT_MS)
  let lastGateway: string = line.gatewayId

  await offered(deploymentId, 'the first deployment')
  const second = await addGateway('second')
  await reached('a deployment after the second gateway came')

  await line.gateway.kill()
  await reached('a deployment through the second gateway')
  assert.equal(lastGateway, second.id)

  const third = await addGateway('third')
  must(await admin.call('deleteGateway', { id: line.gatewayId }))
  await reached('a deployment after the first was removed')
  assert.equal(lastGateway, second.id)
  assert.deepEqual(
    must(await admin.call('gateways')).map(({ name }) => name),
    ['second', 'third'],
  )

  // The device is off while the second goes: what it knows when it boots is the list that it kept.
  await device.firmware.powerOff()
  await second.gateway.stop()
  const home = join(device.stateFolder, '..')
  const again = startDevice({
    configuration: join(home, 'agent.json'),
    logPath: device.logPath,
    isolated: false,
    bootFile: join(home, 'boot'),
  })
  resources.defer(() => again.powerOff())
  await reached('a deployment through the third gateway')
  assert.equal(lastGateway, third.id)
})
