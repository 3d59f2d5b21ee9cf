/** A device runs what a label query means: also a package that got its labels after the deployment was made. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distribute, must } from '../administrator.ts'
import { until } from '../until.ts'
import { scenarioPackage, startWorld } from './world.ts'

test('a package that is labelled later arrives with the next policy; one outside the query is refused', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: `
  - type: runCommandLine
    name: Chosen
    package:
      chosenBy: "%Driver%"
      candidates: { labels: { kind: driver, model: X1 } }
    commandLine: sh -c 'sha256sum content.bin | cut -c1-16 >> "$1/effects"' sh "%OSRoot%"`,
    ...{ packages: 2, packageBytes: 100_000, bytesPerSecond: 4 * 1024 * 1024 },
    settings: { inputs: { Driver: 'SCN00001' } },
  })
  const { admin } = world.line
  const { deploymentId: id } = world
  const [first, second] = [scenarioPackage(1).id, scenarioPackage(2).id]
  await distribute(admin, world.line.gatewayId, [first, second])
  const ran = async () => {
    await world.install()
    return await world.finished()
  }
  const offered = async () => (await world.device.softwareCenter.state())?.items.find((one) => one.deploymentId === id)

  const none = await ran()
  assert.equal(none.result, 'failure')
  assert.equal(none.problem?.code, 'CANDIDATE_NOT_DECLARED')

  /** Waits for the policy in which the deployment costs that many bytes. */
  const label = async (labels: Record<string, string>, packageId = first) => {
    must(await admin.call('setPackageLabels', { id: packageId, body: labels }))
    const deadlineAt = new Date(Date.UTC(2099, 0, 1, 0, 0, ++changes)).toISOString()
    const { settings } = must(await admin.call('deployment', { id }))
    must(await admin.call('changeDeployment', { id, body: { ...settings, deadlineAt } }))
    await until(async () => (await offered())?.deadlineAt === deadlineAt, 'policy with the labels')
  }
  let changes = 0
  await label({ kind: 'driver', model: 'x1' })
  const report = await ran()
  assert.equal(report.result, 'success', JSON.stringify(report))
  assert.equal((await world.effects()).length, 1)
  assert.deepEqual(
    report.packages.map((one) => one.id),
    [first],
    'nothing else came with policy',
  )

  await label({ kind: 'driver', model: 'X2' })
  await label({ kind: 'driver', model: 'X1' }, second)
  const outside = await ran()
  assert.equal(outside.problem?.code, 'CANDIDATE_NOT_DECLARED', 'the input still names the first')
})
