/** Each setting that the feature needs, off: the site names it before, the device names it to its user, and nothing starts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientSettings, type DeploymentSettings, type ProblemCode } from '@sluice/protocol'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { effectStep, scenarioPackage, startWorld } from './world.ts'

test('each setting off is refused with its own code, on the site and on the device, and comes back when it is on again', async (t) => {
  await using resources = new AsyncDisposableStack()
  const { line, device, deploymentId, install, finished, effects } = await startWorld({
    resources,
    steps: `${effectStep('only')}
  - type: downloadPackageContent
    name: Fetch
    packages: [${scenarioPackage(1).id}]`,
    packages: 1,
    packageBytes: 1024 * 1024,
    bytesPerSecond: 100 * 1024 * 1024,
  })
  const { admin, gatewayId } = line
  const deployment = async () => must(await admin.call('deployment', { id: deploymentId }))
  const good = (await deployment()).settings

  /** What stands against it, once device and site agree on that. */
  const refusedAs = (codes: ProblemCode[]) =>
    until(
      async () => {
        await device.softwareCenter.syncPolicy()
        const item = (await device.softwareCenter.state())?.items.find((one) => one.deploymentId === deploymentId)
        const onDevice = item?.refusals.map(({ code }) => code) ?? []
        const onSite = (await deployment()).internetRefusals.map(({ code }) => code)
        return String(onDevice) === String(codes) && String(onSite) === String(codes)
      },
      `refusals ${codes.join(', ') || 'to go away'}`,
    )

  const change = async (settings: Partial<DeploymentSettings>) =>
    must(await admin.call('changeDeployment', { id: deploymentId, body: { ...good, ...settings } }))
  const cloudServices = async (values: Partial<ClientSettings['cloudServices']>) =>
    must(await admin.call('setClientSettings', { body: ClientSettings.parse({ cloudServices: values }) }))
  const serve = async (serveContent: boolean) =>
    must(await admin.call('changeGateway', { id: gatewayId, body: { serveContent } }))

  await refusedAs([])
  for (const { setting, off, on, code } of [
    {
      setting: 'Allow task sequence to run for client on the Internet',
      off: () => change({ allowInternet: false }),
      on: () => change({}),
      code: 'INTERNET_NOT_ALLOWED',
    },
    {
      setting: 'Enable clients to use a cloud management gateway',
      off: () => cloudServices({ enableGateway: false }),
      on: () => cloudServices({}),
      code: 'GATEWAY_USE_DISABLED',
    },
    {
      setting: 'Allow access to cloud distribution point',
      off: () => cloudServices({ allowCloudDistributionPoint: false }),
      on: () => cloudServices({}),
      code: 'CLOUD_CONTENT_DISABLED',
    },
    {
      setting: 'Allow CMG to function as a cloud distribution point and serve content from Azure storage',
      off: () => serve(false),
      on: () => serve(true),
      code: 'GATEWAY_CONTENT_DISABLED',
    },
  ] as const)
    await t.test(setting, async () => {
      await off()
      await refusedAs([code])
      const click = await device.softwareCenter.install(deploymentId)
      assert.equal(click.ok ? 'started' : click.problem.code, code)
      await on()
      await refusedAs([])
    })

  for (const [contentOption, code] of [
    ['allBeforeStart', 'ON_DEMAND_REQUIRED'],
    ['directFromDistributionPoint', 'DIRECT_ACCESS_NOT_SUPPORTED'],
  ] as const)
    await t.test(
      `Download content locally when needed by the running task sequence, but ${contentOption}`,
      async () => {
        const answer = await admin.call('changeDeployment', { id: deploymentId, body: { ...good, contentOption } })
        assert.equal(answer.ok ? 'changed' : answer.problem.code, code)
        assert.equal((await deployment()).settings.contentOption, 'whenNeeded')
      },
    )

  assert.deepEqual(await effects(), [])
  // The keys are online, so a variable that the sequence does not declare may come along (design §5).
  await change({ inputs: { ...good.inputs, Undeclared: 'x' } })
  await refusedAs([])
  await install()
  assert.equal((await finished()).result, 'success')
  assert.deepEqual(await effects(), ['only'])
})
