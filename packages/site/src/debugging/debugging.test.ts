/** The debugger's desk at the site: orders go to the run that goes on, numbered, until its device has counted them. */
import assert from 'node:assert/strict'
import { DEBUG_ORDERS, type DebugState, ProblemError, RunId } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, makeKeyring, report, runOf } from '../deployments/testing/site-world.ts'

const keyring = await makeKeyring()
const refusedAs = (code: string) => (error: unknown) => error instanceof ProblemError && error.problem.code === code
const said = (order: number): DebugState => ({
  ...{ v: 1, order, mode: 'waiting', why: 'attached', pointer: 0, instructions: 1 },
  ...{ steps: [], breaks: [], variables: [{ name: 'A', value: '1', hidden: false }], variablesLeftOut: 0 },
})
const attach = { kind: 'attach' } as const

onEveryDatabase('orders are in policy until the device has counted them, and end with the run', async (db) => {
  const { deployToInternet, debugging, poll, say } = await createSiteWorld(db, keyring)
  const { deployment, deviceId, caller } = await deployToInternet()
  const ordered = async () => {
    const { body } = await poll(caller)
    const { debugOrders = [] } = JSON.parse(Buffer.from(body?.payload ?? '', 'base64').toString())
    return debugOrders.map(({ n, runId }: { n: number; runId: string }) => `${runId} ${n}`)
  }
  const run = runOf(deployment.id)
  await assert.rejects(debugging.order(deviceId, attach), refusedAs('NOT_FOUND'), 'nothing runs')
  await say(deviceId, { kind: 'runStarted', ...run, startedBy: 'user' })
  await assert.rejects(debugging.order(deviceId, attach, RunId.parse('run_9999999999')), refusedAs('CONFLICT'))
  assert.equal((await debugging.order(deviceId, attach)).order, 1)
  assert.equal((await debugging.order(deviceId, { kind: 'step' }, run.runId)).order, 2)
  assert.deepEqual(await ordered(), [`${run.runId} 1`, `${run.runId} 2`])

  await say(deviceId, { kind: 'debugState', ...run, state: said(1) })
  assert.deepEqual(await ordered(), [`${run.runId} 2`])
  assert.deepEqual((await debugging.session(deviceId)).state?.variables, said(1).variables)
  await say(deviceId, { kind: 'debugState', ...run, runId: RunId.parse('run_9999999999'), state: said(2) })
  assert.deepEqual(await ordered(), [`${run.runId} 2`], 'a run that is not the one')

  for (let n = 3; n < DEBUG_ORDERS + 2; n++) await debugging.order(deviceId, attach)
  await assert.rejects(debugging.order(deviceId, attach), refusedAs('CONFLICT'), 'too many wait')

  await say(deviceId, { kind: 'runFinished', ...run, report })
  assert.deepEqual(await ordered(), [])
  assert.deepEqual(await db.selectFrom('run_debugging').selectAll().execute(), [])
  await assert.rejects(debugging.session(deviceId), refusedAs('NOT_FOUND'))
})
