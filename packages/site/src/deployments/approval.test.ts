import assert from 'node:assert/strict'
import { DeploymentSettings, PolicyBody, ProblemError } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, internet, makeKeyring, type SiteWorld } from './testing/site-world.ts'

const keyring = await makeKeyring()
const ada = 'adm_ada Ada'
const ben = 'adm_ben Ben'
const problemCode = (code: string) => (error: unknown) => error instanceof ProblemError && error.problem.code === code

/** What policy offers to the device. */
async function offered(site: SiteWorld, caller: Parameters<SiteWorld['poll']>[0]): Promise<number> {
  const { body } = await site.poll(caller)
  return PolicyBody.parse(JSON.parse(Buffer.from(body?.payload ?? '', 'base64').toString())).deployments.length
}

onEveryDatabase('a deployment to more devices than the rule allows waits for a second person', async (db) => {
  const site = await createSiteWorld(db, keyring)
  const { deployments, policy } = site
  const { caller, deviceId, deployment } = await site.deployToInternet()
  assert.equal(deployment.approval, undefined)
  assert.deepEqual(await deployments.setApprovalRule(0, ada), { aboveDevices: 0 })
  const changed = await deployments.change(deployment.id, DeploymentSettings.parse({ allowInternet: true }), ada)
  const { approval } = changed
  assert.ok(approval)
  assert.deepEqual([approval.state, approval.devices, approval.author], ['waitingForApproval', 1, ada])
  // No device hears of it, and none gets content for it.
  assert.equal(await offered(site, caller), 0)
  assert.equal((await policy.entitledContents(deviceId, 'internet')).size, 0)

  await assert.rejects(deployments.approve(deployment.id, approval.digest, ada), problemCode('APPROVAL_REFUSED'))
  const renamed = 'adm_ada Somebody else'
  await assert.rejects(deployments.approve(deployment.id, approval.digest, renamed), problemCode('APPROVAL_REFUSED'))
  const approved = await deployments.approve(deployment.id, approval.digest, ben)
  assert.deepEqual([approved.approval?.state, approved.approval?.approvedBy], ['approved', ben])
  assert.equal(await offered(site, caller), 1)
  assert.equal((await policy.entitledContents(deviceId, 'internet')).size, 2)
})

onEveryDatabase('an approval is for what was seen: settings, sequence and packages', async (db) => {
  const site = await createSiteWorld(db, keyring)
  const { deployments } = site
  const { caller, deployment } = await site.deployToInternet()
  await deployments.setApprovalRule(0, ada)
  const changes = [
    () =>
      deployments.change(deployment.id, DeploymentSettings.parse({ allowInternet: true, downloadRetryCount: 5 }), ada),
    () => site.sequences.apply({ fileName: 'up.json', text: site.sequenceText('Upgrade', ['ABC00001']) }),
    async () => {
      await site.importPackage('ABC00001', 2)
      site.install((await site.importPackage('ABC00001', 2)).id, internet)
    },
  ]
  for (const [i, change] of changes.entries()) {
    const before = (await deployments.get(deployment.id)).approval?.digest
    assert.ok(before)
    await deployments.approve(deployment.id, before, ben)
    assert.equal(await offered(site, caller), 1)
    await change()
    assert.equal((await deployments.get(deployment.id)).approval?.state, 'waitingForApproval', `change ${i}`)
    assert.equal(await offered(site, caller), 0)
    await assert.rejects(deployments.approve(deployment.id, before, ben), problemCode('CONFLICT'))
  }
})

onEveryDatabase('a collection that grows above the bound takes its deployments along', async (db) => {
  const site = await createSiteWorld(db, keyring)
  const { caller, deviceId, collection, deployment } = await site.deployToInternet()
  await site.deployments.setApprovalRule(1, ada)
  assert.equal(await offered(site, caller), 1)
  const neighbour = await site.enrol('dev_neighbour00')
  await site.collections.setMembers(collection, [deviceId, neighbour.deviceId])
  assert.equal(await offered(site, caller), 0)
  assert.equal((await site.deployments.get(deployment.id)).approval?.devices, 2)
})

onEveryDatabase('a looser rule needs two persons; a stricter one counts at once', async (db) => {
  const { deployments } = await createSiteWorld(db, keyring)
  assert.deepEqual(await deployments.approvalRule(), { aboveDevices: null })
  assert.deepEqual(await deployments.setApprovalRule(100, ada), { aboveDevices: 100 })
  const asked = { aboveDevices: 100, proposed: { aboveDevices: null, by: ada } }
  assert.deepEqual(await deployments.setApprovalRule(null, ada), asked)
  assert.deepEqual(await deployments.setApprovalRule(null, ada), asked, 'asking twice is no second person')
  const other = { aboveDevices: 100, proposed: { aboveDevices: 500, by: ben } }
  assert.deepEqual(await deployments.setApprovalRule(500, ben), other, 'nor is another wish')
  assert.deepEqual(await deployments.setApprovalRule(500, ada), { aboveDevices: 500 })
  assert.deepEqual(await deployments.setApprovalRule(10, ben), { aboveDevices: 10 })
})
