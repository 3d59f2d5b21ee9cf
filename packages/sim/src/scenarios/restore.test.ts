/** A site that comes back from a backup: devices go on with it, although they have seen newer policy. */
import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { contentStep, effectStep, startWorld } from './world.ts'

test('after a restore, a device takes the policy of the site and runs what it says', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: [effectStep('before'), contentStep(1)].join(''),
    packages: 1,
    packageBytes: 1024 * 1024,
    bytesPerSecond: 100 * 1024 * 1024,
  })
  const { line, device, deploymentId } = world
  const { admin, site } = line
  const data = join(dirname(device.stateFolder), '../line/site')

  /** Changes the deployment, and waits until Software Center shows it. */
  const allowInternet = async (allowed: boolean) => {
    const { settings } = must(await admin.call('deployment', { id: deploymentId }))
    must(await admin.call('changeDeployment', { id: deploymentId, body: { ...settings, allowInternet: allowed } }))
    await shown(allowed)
  }
  const shown = (allowed: boolean) =>
    until(
      async () => {
        await device.softwareCenter.syncPolicy()
        const item = (await device.softwareCenter.state())?.items.find((one) => one.deploymentId === deploymentId)
        return item !== undefined && (item.refusals.length === 0) === allowed
      },
      `the deployment to be ${allowed ? 'offered' : 'refused'}`,
    )

  await site.stop()
  await cp(data, `${data}.backup`, { recursive: true })
  await site.start()
  for (const allowed of [false, true, false]) await allowInternet(allowed)

  await site.stop()
  await rm(data, { recursive: true })
  await cp(`${data}.backup`, data, { recursive: true })
  await site.start(['--restored'])
  // In the backup the deployment was allowed: the device hears it from a site with lower numbers.
  await shown(true)
  await world.install()
  const { result } = await world.finished()
  assert.equal(result, 'success')
  assert.equal((await world.effects()).length, 2)
})
