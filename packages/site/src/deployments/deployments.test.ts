import assert from 'node:assert/strict'
import {
  ClientSettings,
  DeploymentSettings,
  PackageId,
  type Problem,
  ProblemError,
  problem,
  RunId,
} from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, gateway, internal, makeKeyring, report, runOf } from './testing/site-world.ts'

const keyring = await makeKeyring()
const codes = (refusals: readonly { code: string }[]) => refusals.map(({ code }) => code)
const refusedAs = (code: string) => (error: unknown) => error instanceof ProblemError && error.problem.code === code

onEveryDatabase('a deployment for the internet with everything in place has nothing against it', async (db) => {
  const { deployToInternet, deployments, world } = await createSiteWorld(db, keyring)
  const { deployment, deviceId } = await deployToInternet()
  assert.equal(deployment.revision, 1)
  assert.equal(deployment.sequenceName, 'Upgrade')
  assert.equal(deployment.collectionName, 'Travellers')
  assert.deepEqual(deployment.internetRefusals, [])
  assert.deepEqual(deployment.devices, [{ deviceId, state: 'waiting', refusals: [] }])
  assert.deepEqual(await deployments.list(), [deployment])
  assert.ok(world.changes > 0)
})

onEveryDatabase('settings that can never work are refused when they are made, and nothing is stored', async (db) => {
  const { deployToInternet, deployments, collections, sequences, sequenceText } = await createSiteWorld(db, keyring)
  const { deployment, collection } = await deployToInternet()
  const create = (change: object, sequence = 'Upgrade') =>
    deployments.create({ sequence, collection, settings: DeploymentSettings.parse(change) })

  await assert.rejects(
    create({ contentOption: 'directFromDistributionPoint' }),
    refusedAs('DIRECT_ACCESS_NOT_SUPPORTED'),
  )
  await assert.rejects(create({ contentOption: 'allBeforeStart' }), refusedAs('ON_DEMAND_REQUIRED'))
  await assert.rejects(create({ inputs: { language: 'Swedish' } }), refusedAs('VARIABLE_REFUSED'))
  const backwards = { availableAt: '2026-12-02T00:00:00Z', expiresAt: '2026-12-01T00:00:00Z' }
  await assert.rejects(create(backwards), refusedAs('BAD_REQUEST'))
  await assert.rejects(create({}, 'Downgrade'), refusedAs('NOT_FOUND'))
  const change = DeploymentSettings.parse({ contentOption: 'allBeforeStart' })
  await assert.rejects(deployments.change(deployment.id, change), refusedAs('ON_DEMAND_REQUIRED'))
  assert.deepEqual(await deployments.list(), [deployment])

  // A step that is only kept hinders it, unless it is disabled.
  const kept = (name: string, disabled: boolean) =>
    JSON.stringify({
      format: 'sluice-sequence/1',
      name,
      steps: [
        { type: 'setVariable', name: 'Begin', variable: 'Begun', value: 'yes' },
        { type: 'kept', name: 'Format', disabled, original: { class: 'SMS_TaskSequence_PartitionDiskAction' } },
      ],
    })
  await sequences.apply({ fileName: 'kept.json', text: kept('Kept', false) })
  await assert.rejects(create({}, 'Kept'), refusedAs('PLATFORM_NOT_SUPPORTED'))
  await sequences.apply({ fileName: 'kept.json', text: kept('Kept but disabled', true) })
  await create({}, 'Kept but disabled')

  // Without such a step, downloading everything first is fine.
  const text = sequenceText('Plain', ['ABC00001'], 'runCommandLine')
  await sequences.apply({ fileName: 'plain.json', text })
  const { settings } = await create({ contentOption: 'allBeforeStart', inputs: { language: 'sv' } }, 'Plain')
  assert.equal(settings.contentOption, 'allBeforeStart')
  assert.equal((await collections.list()).length, 1)
})

onEveryDatabase('what stands against internet clients is shown, and goes when the setting is changed', async (db) => {
  const { deployToInternet, deployments, world, gateways, packages } = await createSiteWorld(db, keyring)
  const { deployment } = await deployToInternet({ allowInternet: false })
  const now = async () => codes((await deployments.get(deployment.id)).internetRefusals)
  assert.deepEqual(await now(), ['INTERNET_NOT_ALLOWED'])

  const changed = await deployments.change(deployment.id, DeploymentSettings.parse({ allowInternet: true }))
  assert.equal(changed.revision, 2)
  assert.deepEqual(changed.internetRefusals, [])

  const cloud = (cloudServices: object) => {
    world.clientSettings = ClientSettings.parse({ cloudServices })
  }
  cloud({ enableGateway: false })
  assert.deepEqual(await now(), ['GATEWAY_USE_DISABLED'])
  cloud({ allowCloudDistributionPoint: false })
  assert.deepEqual(await now(), ['CLOUD_CONTENT_DISABLED'])
  cloud({})

  gateways.splice(0, 1, gateway('internet', false))
  assert.deepEqual(await now(), ['GATEWAY_CONTENT_DISABLED'])
  gateways.splice(0, 1, gateway('internal'))
  assert.deepEqual(await now(), ['GATEWAY_CONTENT_DISABLED'], 'a gateway inside is out of reach')
  gateways.splice(0, 1, gateway('internet'))

  const one = packages.get(PackageId.parse('ABC00002'))
  assert.ok(one)
  packages.set(one.id, { ...one, version: 2 })
  const [missing] = (await deployments.get(deployment.id)).internetRefusals
  assert.equal(missing?.code, 'CONTENT_MISSING_IN_CLOUD')
  assert.match(missing?.detail ?? '', /ABC00002/)
  assert.doesNotMatch(missing?.detail ?? '', /ABC00001/)
})

onEveryDatabase('the state of a device follows from what it says', async (db) => {
  const { deployToInternet, deployments, say } = await createSiteWorld(db, keyring)
  const { deployment, deviceId } = await deployToInternet()
  const device = async () => (await deployments.get(deployment.id)).devices[0]
  const run = runOf(deployment.id)
  const evaluated = (refusals: Problem[]) =>
    ({ kind: 'deploymentEvaluated', deploymentId: deployment.id, revision: 1, refusals }) as const

  const noSpace = problem('NO_SPACE', '5 GB more are needed.')
  await say(deviceId, evaluated([noSpace]))
  assert.deepEqual(await device(), { deviceId, state: 'refused', refusals: [noSpace] })
  await say(deviceId, evaluated([]))
  assert.deepEqual(await device(), { deviceId, state: 'offered', refusals: [] })
  await say(deviceId, { kind: 'runStarted', ...run, startedBy: 'user' })
  await say(deviceId, evaluated([]))
  assert.equal((await device())?.state, 'running')
  await say(deviceId, { kind: 'restarting', ...run, message: 'soon' })
  await say(deviceId, { kind: 'runFinished', ...run, report })
  assert.deepEqual(await device(), { deviceId, state: 'succeeded', refusals: [], runId: run.runId, report })
  await say(deviceId, evaluated([]))
  assert.equal((await device())?.state, 'succeeded')
  await say(deviceId, { kind: 'runStarted', ...run, startedBy: 'user' })
  assert.deepEqual(await device(), { deviceId, state: 'running', refusals: [], runId: run.runId })
  await say(deviceId, { kind: 'runFinished', ...run, report: { ...report, result: 'failure' } })
  assert.equal((await device())?.state, 'failed')
})

onEveryDatabase('a device cannot write into a deployment that is not its own, or gone', async (db) => {
  const { deployToInternet, deployments, enrol, say, collections } = await createSiteWorld(db, keyring)
  const { deployment, deviceId, collection } = await deployToInternet()
  const stranger = (await enrol('dev_stranger000')).deviceId
  await say(stranger, { kind: 'runStarted', ...runOf(deployment.id), startedBy: 'user' })
  const rows = () => db.selectFrom('deployment_devices').select('device_id').execute()
  assert.deepEqual(await rows(), [])

  // Who left the collection in the middle of a run still reports its end.
  await say(deviceId, { kind: 'runStarted', ...runOf(deployment.id), startedBy: 'user' })
  await collections.setMembers(collection, [])
  await say(deviceId, { kind: 'runFinished', ...runOf(deployment.id), report })
  const state = await db.selectFrom('deployment_devices').select(['device_id', 'state']).execute()
  assert.deepEqual(
    state.map((row) => ({ ...row })),
    [{ device_id: deviceId, state: 'succeeded' }],
  )

  await deployments.delete(deployment.id)
  assert.deepEqual(await rows(), [])
  await say(deviceId, { kind: 'runFinished', ...runOf(deployment.id), report })
  await assert.rejects(deployments.get(deployment.id), refusedAs('NOT_FOUND'))
  await assert.rejects(deployments.delete(deployment.id), refusedAs('NOT_FOUND'))
  await assert.rejects(deployments.get('nonsense'), refusedAs('NOT_FOUND'))
})

onEveryDatabase('inside, gateways inside serve; the cloud only where the client settings let it', async (db) => {
  const { deployToInternet, world, gateways, poll, install } = await createSiteWorld(db, keyring)
  const { caller } = await deployToInternet({ allowInternet: false })
  const refusals = async () => {
    const { body } = await poll(caller, 'internal', { nonce: 'sixteen characters' })
    const payload = JSON.parse(Buffer.from(body?.payload ?? '', 'base64').toString())
    return codes(payload.deployments[0].refusals)
  }
  assert.deepEqual(await refusals(), [], 'from the gateway on the internet')
  world.clientSettings = ClientSettings.parse({ cloudServices: { enableGateway: false } })
  assert.deepEqual(await refusals(), ['GATEWAY_CONTENT_DISABLED'])
  gateways.push(gateway('internal'))
  assert.deepEqual(await refusals(), ['CONTENT_MISSING_IN_CLOUD'])
  for (const id of ['ABC00001', 'ABC00002']) install(PackageId.parse(id), internal)
  assert.deepEqual(await refusals(), [])
})

onEveryDatabase('a run that goes on can be cancelled; the order names it, and no later run', async (db) => {
  const { deployToInternet, deployments, enrol, poll, say } = await createSiteWorld(db, keyring)
  const { deployment, deviceId, caller } = await deployToInternet()
  const ordered = async () => {
    const { body } = await poll(caller)
    return JSON.parse(Buffer.from(body?.payload ?? '', 'base64').toString()).cancelledRuns
  }
  const run = runOf(deployment.id)
  assert.equal(await ordered(), undefined)
  await assert.rejects(deployments.cancel(deployment.id, deviceId), refusedAs('CONFLICT'), 'nothing runs')

  await say(deviceId, { kind: 'runStarted', ...run, startedBy: 'user' })
  const other = await enrol('dev_somebodyelse')
  await assert.rejects(deployments.cancel(deployment.id, other.deviceId), refusedAs('CONFLICT'), 'no member')
  const [now] = (await deployments.cancel(deployment.id, deviceId)).devices
  assert.deepEqual([now?.state, now?.cancelOrdered], ['running', true])
  assert.deepEqual(await ordered(), [run.runId])
  await deployments.cancel(deployment.id, deviceId)

  await say(deviceId, { kind: 'runFinished', ...run, report: { ...report, result: 'cancelled' } })
  const [then] = (await deployments.get(deployment.id)).devices
  assert.deepEqual([then?.state, then?.cancelOrdered], ['cancelled', undefined])
  assert.equal(await ordered(), undefined)

  await say(deviceId, { kind: 'runStarted', ...run, runId: RunId.parse('run_9876543210'), startedBy: 'user' })
  assert.equal((await deployments.get(deployment.id)).devices[0]?.cancelOrdered, undefined)
  assert.equal(await ordered(), undefined)
})

onEveryDatabase('a run that goes on can rest and go on; the order names it, and no later run', async (db) => {
  const { deployToInternet, deployments, poll, say } = await createSiteWorld(db, keyring)
  const { deployment, deviceId, caller } = await deployToInternet()
  const resting = async () => {
    const { body } = await poll(caller)
    return JSON.parse(Buffer.from(body?.payload ?? '', 'base64').toString()).pausedRuns
  }
  const run = runOf(deployment.id)
  const order = (paused: boolean) => deployments.pause(deployment.id, { deviceId, paused })
  await assert.rejects(order(true), refusedAs('CONFLICT'), 'nothing runs')
  await say(deviceId, { kind: 'runStarted', ...run, startedBy: 'user' })
  assert.equal((await order(true)).devices[0]?.pauseOrdered, true)
  assert.deepEqual(await resting(), [run.runId])
  assert.equal((await order(false)).devices[0]?.pauseOrdered, undefined)
  assert.equal(await resting(), undefined)

  await order(true)
  await say(deviceId, { kind: 'runFinished', ...run, report })
  assert.equal(await resting(), undefined)
  await say(deviceId, { kind: 'runStarted', ...run, runId: RunId.parse('run_9876543210'), startedBy: 'user' })
  assert.equal(await resting(), undefined)
})

onEveryDatabase('the site hears of a pause of the user, as long as the run goes on', async (db) => {
  const { deployToInternet, deployments, say } = await createSiteWorld(db, keyring)
  const { deployment, deviceId } = await deployToInternet()
  const run = runOf(deployment.id)
  const until = async () => (await deployments.get(deployment.id)).devices[0]?.userPausedUntil
  const later = '2026-11-21T12:00:00.000Z'
  await say(deviceId, { kind: 'runStarted', ...run, startedBy: 'user' })
  await say(deviceId, { kind: 'runPaused', ...run, until: later })
  assert.equal(await until(), later)
  await say(deviceId, { kind: 'runResumed', ...run })
  assert.equal(await until(), undefined)
  await say(deviceId, { kind: 'runPaused', ...run, runId: RunId.parse('run_9876543210'), until: later })
  assert.equal(await until(), undefined, 'of another run')
  await say(deviceId, { kind: 'runPaused', ...run, until: later })
  await say(deviceId, { kind: 'runFinished', ...run, report })
  assert.equal(await until(), undefined)
})
