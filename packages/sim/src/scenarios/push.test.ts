/**
 * What an administrator does reaches a device at once, though it asks for policy only once an hour;
 * also after the gateway, or the link between gateway and site, was away. Nobody clicks *sync* here.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { ClientSettings, type DeploymentId } from '@sluice/protocol'
import { linkUp, must } from '../administrator.ts'
import { until } from '../until.ts'
import { effectStep, startWorld } from './world.ts'

/** Far below the hour of the polling interval, and far above what it takes. */
const AT_ONCE_MS = 60_000

test('with a polling interval of an hour, every change reaches the device at once', async (t) => {
  await using resources = new AsyncDisposableStack()
  const { line, device, deploymentId, ...scenario } = await startWorld({
    resources,
    steps: effectStep('only'),
    packages: 0,
    packageBytes: 0,
    bytesPerSecond: 100 * 1024 * 1024,
  })
  const { admin, gatewayId } = line
  assert.equal(must(await admin.call('clientSettings')).clientPolicy.pollingIntervalMs, 3600_000)
  const [deployment] = must(await admin.call('deployments'))
  assert.ok(deployment)
  const { collectionId, sequenceId, settings } = deployment

  const items = async () => (await device.softwareCenter.state())?.items ?? []
  const offered = (id: DeploymentId, is: boolean) =>
    until(async () => (await items()).some((one) => one.deploymentId === id) === is, `${id} offered: ${is}`, AT_ONCE_MS)
  const refusedAs = (code: string) =>
    until(
      async () => {
        const item = (await items()).find((one) => one.deploymentId === deploymentId)
        return item !== undefined && String(item.refusals.map((one) => one.code)) === code
      },
      `the refusal ${code}`,
      AT_ONCE_MS,
    )
  const deploy = async () =>
    must(await admin.call('createDeployment', { body: { sequence: sequenceId, collection: collectionId, settings } }))
      .id

  const begun = performance.now()
  const second = await deploy()
  await offered(second, true)
  t.diagnostic(
    `a new deployment was offered ${Math.round(performance.now() - begun)} ms after the administrator's call`,
  )

  must(await admin.call('changeDeployment', { id: deploymentId, body: { ...settings, allowInternet: false } }))
  await refusedAs('INTERNET_NOT_ALLOWED')
  must(await admin.call('changeDeployment', { id: deploymentId, body: settings }))
  await refusedAs('')
  must(await admin.call('deleteDeployment', { id: second }))
  await offered(second, false)

  const cloudServices = { enableGateway: false }
  must(await admin.call('setClientSettings', { body: ClientSettings.parse({ cloudServices }) }))
  await refusedAs('GATEWAY_USE_DISABLED')
  must(await admin.call('setClientSettings', { body: ClientSettings.parse({}) }))
  await refusedAs('')

  const members = async (list: (typeof device.id)[]) =>
    must(await admin.call('setCollectionMembers', { id: collectionId, body: { members: list } }))
  await members([])
  await offered(deploymentId, false)
  await members([device.id])
  await offered(deploymentId, true)

  const policyAt = async () => (await device.softwareCenter.state())?.policyAt ?? ''
  const before = await policyAt()
  assert.equal(must(await admin.call('syncDevice', { id: device.id, body: {} })).gatewaysTold, 1)
  await until(async () => (await policyAt()) > before, 'policy that was asked for', AT_ONCE_MS)

  // The gateway is away while the deployment is made.
  await line.gateway.kill()
  const third = await deploy()
  await line.gateway.start()
  await offered(third, true)

  // The site is away, so the link is; what was made is known only to the site when the link is back.
  await line.site.kill()
  await line.site.start()
  const fourth = await deploy()
  await linkUp(admin, gatewayId)
  await offered(fourth, true)
  assert.deepEqual(await scenario.effects(), [])

  must(await admin.call('revokeDevice', { id: device.id, body: {} }))
  const told = async () => (await readFile(device.logPath, 'utf8')).includes('CERTIFICATE_REVOKED')
  await until(told, 'the device to hear that it was revoked', AT_ONCE_MS)
})
