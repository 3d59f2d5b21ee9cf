/**
 * Variables of collections and of the device reach a run on a device: plain ones by policy, masked ones only
 * when a step that names them asks, and never into a file.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { startWorld } from './world.ts'

const CANARY = 'kanari correct-horse'
const OWN_CANARY = 'kanari battery-staple'

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)

test('a run has the variables of its device and collections, by precedence; masked ones are asked for', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: `
  - type: runCommandLine
    name: Plain
    commandLine: sh -c 'echo "$2 $3 $4" >> "$1/effects"' sh "%OSRoot%" "%Ring%" "%Room%" "%AdminPassword%"
  - type: runScript
    name: Masked
    interpreter: sh
    secrets: [AdminPassword, OfSite]
    parameters: '"%OSRoot%"'
    source: |
      sluice-ts secret AdminPassword | sha256sum | cut -c1-8 >> "$1/effects"
      echo "$(sluice-ts secret OfSite)" >> "$1/effects"`,
    ...{ packages: 0, packageBytes: 0, bytesPerSecond: 1024 * 1024 },
  })
  const { admin } = world.line
  const { id: deviceId } = world.device
  const [deployed] = must(await admin.call('collections'))
  assert.ok(deployed)
  const other = must(await admin.call('createCollection', { body: { name: 'Also' } }))
  must(await admin.call('setCollectionMembers', { id: other.id, body: { members: [deviceId] } }))
  const set = async (id: string, name: string, value: string, masked = false) =>
    must(await admin.call('setCollectionVariable', { id, body: { name, value, masked } }))
  await set(deployed.id, 'Ring', 'pilot')
  await set(deployed.id, 'Room', 'of the collection')
  await set(other.id, 'Ring', 'wide')
  must(await admin.call('setVariablePriority', { id: deployed.id, body: { priority: 5 } }))
  await set(other.id, 'AdminPassword', CANARY, true)
  must(await admin.call('setSecret', { id: 'AdminPassword', body: { value: 'of the site' } }))
  must(await admin.call('setSecret', { id: 'OfSite', body: { value: 'of the site' } }))
  must(await admin.call('setDeviceVariable', { id: deviceId, body: { name: 'Room', value: '12', masked: false } }))

  const ran = async (): Promise<string[]> => {
    const before = (await world.effects()).length
    await world.install()
    const report = await world.finished()
    assert.equal(report.result, 'success', JSON.stringify(report))
    return (await world.effects()).slice(before)
  }
  // The last change is one that Software Center shows: then the device has all of them.
  const { deploymentId: id } = world
  const { settings } = must(await admin.call('deployment', { id }))
  const deadlineAt = '2099-01-01T00:00:00.000Z'
  must(await admin.call('changeDeployment', { id, body: { ...settings, deadlineAt } }))
  await until(
    async () => (await world.device.softwareCenter.state())?.items.some((one) => one.deadlineAt === deadlineAt),
    'policy from after the last change',
  )
  const first = await ran()
  // What is masked is no variable of the run: its name stays as it is written.
  assert.deepEqual(first, ['pilot 12 %AdminPassword%', hashOf(CANARY), 'of the site'])

  const body = { name: 'adminpassword', value: OWN_CANARY, masked: true }
  must(await admin.call('setDeviceVariable', { id: deviceId, body }))
  assert.equal((await ran())[1], hashOf(OWN_CANARY), 'the own one of the device counts')

  for (const path of await readdir(world.folder, { recursive: true })) {
    const text = await readFile(join(world.folder, path), 'latin1').catch(() => '')
    assert.ok(!text.includes(CANARY) && !text.includes(OWN_CANARY), path)
  }
})
