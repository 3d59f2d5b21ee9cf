/** Every change of what policy is made of shows in the next poll, though bodies are built only then. */
import assert from 'node:assert/strict'
import { DeploymentSettings, type DeviceId, PolicyAnswer, PolicyBody, PolicyHead } from '@sluice/protocol'
import { type Kysely, type KyselyPlugin, type OperationNode, TableNode } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, deviceFacts, makeKeyring, report, runOf } from '../deployments/testing/site-world.ts'
import { createClientSettingsStore } from '../settings/client-settings.ts'
import { createBodies } from './body.ts'
import { changesFacts, FACTS_COUNTER } from './facts-revision.ts'

const keyring = await makeKeyring()
const payload = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64').toString())

const countOf = async (db: Kysely<Database>) =>
  (await db.selectFrom('counters').select('value').where('name', '=', FACTS_COUNTER).executeTakeFirstOrThrow()).value

/** A world whose polls are the site's alone: nothing says that a body may be old. */
async function worldOf(db: Kysely<Database>) {
  const world = await createSiteWorld(db, keyring)
  const { policy, relayed, deployToInternet } = world
  const deployed = await deployToInternet()
  const question = {
    nonce: 'a nonce of sixteen characters',
    facts: deviceFacts,
    agent: { version: '1', capabilities: [] },
  }
  return {
    ...world,
    ...deployed,
    async ask(caller = deployed.caller) {
      const answer = PolicyAnswer.parse((await policy.handler(relayed(caller, 'internet', question))).body)
      const body = PolicyBody.parse(payload(answer.body?.payload ?? ''))
      return { head: PolicyHead.parse(payload(answer.head.payload)), body }
    },
  }
}

onEveryDatabase(
  'a body is built when something changed, and every kind of change shows in the next poll',
  async (db) => {
    const { ask, deployments, deployment, collections, collection, sequences, sequenceText, deviceId, say } =
      await worldOf(db)
    const named = async () => (await ask()).body.deployments
    assert.equal((await named()).length, 1)
    const count = await countOf(db)
    assert.deepEqual((await ask()).head.seq, (await ask()).head.seq)
    assert.equal(await countOf(db), count, 'polls change nothing')

    await deployments.change(deployment.id, DeploymentSettings.parse({ allowInternet: true, downloadRetryCount: 7 }))
    assert.equal((await named())[0]?.settings.downloadRetryCount, 7, 'settings of a deployment')

    await sequences.apply({ fileName: 'up.json', text: sequenceText('Upgrade', ['ABC00001']) })
    assert.equal((await named())[0]?.sequence.target.endsWith('/2'), true, 'a released revision')

    const second = await deployments.create({ sequence: 'Upgrade', collection, settings: DeploymentSettings.parse({}) })
    assert.equal((await named()).length, 2, 'a deployment')
    await deployments.delete(second.id)
    assert.equal((await named()).length, 1, 'one less')

    await say(deviceId, { kind: 'runStarted', ...runOf(deployment.id), startedBy: 'user' })
    assert.equal((await ask()).body.cancelledRuns, undefined)
    await deployments.cancel(deployment.id, deviceId)
    assert.deepEqual((await ask()).body.cancelledRuns, [runOf(deployment.id).runId], 'an order to end a run')
    await say(deviceId, { kind: 'runFinished', ...runOf(deployment.id), report })
    assert.equal((await ask()).body.cancelledRuns, undefined, 'that was carried out')

    await deployments.setApprovalRule(0, 'somebody')
    assert.equal((await named()).length, 0, 'a rule')
    await collections.setMembers(collection, [])
    await db.updateTable('approval_rule').set({ above_devices: null }).execute()
    assert.equal((await named()).length, 0, 'not a member')
    await collections.setMembers(collection, [deviceId])
    assert.equal((await named()).length, 1, 'a member')
  },
)

onEveryDatabase('a key that took the place of another signs the body again, under its number', async (db) => {
  const { ask, deviceId } = await worldOf(db)
  const before = (await ask()).head
  await db.updateTable('policy_bodies').set({ key_id: 'the key before' }).where('device_id', '=', deviceId).execute()
  const after = (await ask()).head
  assert.deepEqual([after.seq, after.bodyHash], [before.seq, before.bodyHash])
  const kept = await db.selectFrom('policy_bodies').select('key_id').executeTakeFirstOrThrow()
  assert.equal(kept.key_id, keyring.policy.keyid)
})

onEveryDatabase('settings, gateways and distributions count; what devices say of themselves does not', async (db) => {
  const { deviceId } = await worldOf(db)
  const counted = async (change: () => Promise<unknown>) => {
    const before = await countOf(db)
    await change()
    return (await countOf(db)) > before
  }
  const settings = createClientSettingsStore({ db })
  const { settings: defaults } = await settings.get()
  assert.ok(await counted(() => settings.set(defaults)))
  const gateway = {
    ...{ id: 'gw_0123456789', name: 'Edge', kind: 'internet', device_url: 'https://a', enrolment_url: 'https://b' },
    ...{ link_address: 'a:1', serve_content: 1, created_at: 1, pack_bytes: 0, page_bytes: 0 },
    ...{ earlier_pack_bytes: 0, earlier_page_bytes: 0 },
  }
  assert.ok(
    await counted(() =>
      db
        .insertInto('gateways')
        .values(gateway as never)
        .execute(),
    ),
  )
  assert.ok(await counted(() => db.updateTable('gateways').set({ device_url: 'https://c' }).execute()))
  assert.ok(await counted(() => db.updateTable('gateways').set({ stopped_at: 1 }).execute()))
  assert.ok(!(await counted(() => db.updateTable('gateways').set({ pack_bytes: 5 }).execute())), 'traffic')
  assert.ok(!(await counted(() => db.updateTable('devices').set({ last_seen_at: 5 }).execute())), 'seen')
  assert.ok(
    !(await counted(() =>
      db
        .updateTable('gateways')
        .set({ name: 'x' })
        .where('id', '=', 'gw_none000000' as never)
        .execute(),
    )),
    'no row',
  )
  assert.ok(
    !(await counted(() =>
      db
        .transaction()
        .execute(async (trx) => {
          await trx.updateTable('gateways').set({ name: 'taken back' }).execute()
          throw new Error('no')
        })
        .catch(() => undefined),
    )),
    'a transaction that was rolled back',
  )
  assert.ok(deviceId)
})

onEveryDatabase('no table that a body is made of is beside the point', async (db) => {
  const { facts, deviceId } = await worldOf(db)
  const read = new Set<string>()
  const noticing: KyselyPlugin = {
    transformQuery: ({ node }) => {
      tablesOf(node, read)
      return node
    },
    transformResult: async ({ result }) => result,
  }
  await createBodies(db.withPlugin(noticing), facts)(deviceId as DeviceId, 'internet', { epoch: 1, revision: 1 })
  assert.ok(read.has('deployments') && read.has('collection_members'), [...read].join())
  for (const table of read) {
    const change = db.updateTable(table as never).set({ a_column_of_tomorrow: 1 } as never)
    assert.ok(changesFacts(change.compile()), table)
  }
})

function tablesOf(node: OperationNode, into: Set<string>): void {
  if (typeof node !== 'object' || node === null) return
  if ('kind' in node && TableNode.is(node)) into.add(node.table.identifier.name)
  for (const part of Object.values(node)) if (typeof part === 'object') tablesOf(part as OperationNode, into)
}
