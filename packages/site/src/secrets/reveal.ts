/**
 * The route `secret`: one secret for one attempt of a step, sealed to the device that runs it.
 *
 *   X1. Only for a run that the device has reported, that goes on, and that nobody has ordered to end.
 *   X2. Only a secret that a released revision of that run's sequence names: who can change rows of the
 *       database cannot have secrets sent elsewhere by a sequence of his own.
 *   X3. Once an attempt. The same question again, whose answer was lost, is answered for ten minutes.
 *   X4. Every reveal is in the audit, in its own transaction: what is not recorded is not revealed.
 *   X5. A variable of the device or its collections, of that name, counts before the site's secret.
 *   X6. The value is signed with policy's key, then sealed to the device's seal key: neither a gateway nor
 *       anybody else on the way can read it or put another in its place.
 */
import { nodesOf, parseSequence, secretsOf } from '@sluice/engine'
import { type DeploymentId, fail, type Revelation, SECRET_TYPE, type SecretRequest } from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import type { Audit } from '../administrators/audit/audit.ts'
import type { Clock } from '../clock.ts'
import { effectiveVariables } from '../collections/effective-variables.ts'
import { variablePurpose } from '../collections/variables.ts'
import type { Database, Db } from '../db/database.ts'
import { concernsDevice } from '../deployments/device-state.ts'
import type { DeviceHandler } from '../device-plane/handler.ts'
import type { AdmittedDevice, RequireDevice } from '../devices/admission.ts'
import type { SigningKey } from '../keys/keyring.ts'
import { signEnvelope } from '../policy/envelope.ts'
import { sealToDevice } from './seal-to-device.ts'
import { purposeOf } from './secrets.ts'
import type { Vault } from './vault.ts'

/** The longest maximum run time: nothing is revealed to a run that began before. */
const RUN_MS = 7 * 24 * 3600_000
const SAME_QUESTION_MS = 10 * 60_000
/** How long it is remembered which attempt has had a secret; the audit remembers it for ever. */
const REMEMBERED_MS = 90 * 24 * 3600_000

export function createReveal(options: {
  db: Kysely<Database>
  vault: Vault
  clock: Clock
  requireDevice: RequireDevice
  audit: Pick<Audit, 'recordIn'>
  /** Signs; devices know it from the catalogue's root. */
  key: () => SigningKey
}): DeviceHandler<'secret'> {
  const { db, vault, clock, requireDevice, audit, key } = options

  async function reveal(trx: Transaction<Database>, device: AdmittedDevice, asked: SecretRequest): Promise<string> {
    await requireRun(trx, device, asked, clock.now()) // X1
    if (!(await namesSecret(trx, asked.deploymentId, asked.name)))
      fail('SECRET_REFUSED', `No released revision of this sequence names the secret ${asked.name}.`) // X2
    const value = (await ofVariable(trx, device, asked.name)) ?? (await ofSite(trx, asked.name)) // X5
    if (value === undefined) return fail('SECRET_REFUSED', `The site has no secret ${asked.name}.`)
    await remember(trx, device, asked, clock.now()) // X3
    await audit.recordIn(trx, {
      actor: { kind: 'device', id: device.id, name: device.id },
      action: 'secretRevealed',
      subject: asked.name,
      outcome: 'done',
      after: { deploymentId: asked.deploymentId, runId: asked.runId, attempt: asked.attempt },
    }) // X4
    return value
  }

  async function ofVariable(trx: Db, { id }: AdmittedDevice, name: string): Promise<string | undefined> {
    const key = name.toLowerCase()
    const row = (await effectiveVariables(trx, id)).find((one) => one.key === key)
    if (row?.sealed === null || row === undefined) return row?.value ?? undefined
    const owner = row.from === 'device' ? { device_id: id } : { collection_id: row.from }
    return vault.open(variablePurpose(owner, key), row.sealed)
  }

  async function ofSite(trx: Db, name: string): Promise<string | undefined> {
    const row = await trx.selectFrom('secrets').select('sealed').where('name', '=', name).executeTakeFirst()
    return row && vault.open(purposeOf(name), row.sealed)
  }

  return async ({ caller, body }) => {
    const device = await requireDevice(caller)
    const value = await db.transaction().execute((trx) => reveal(trx, device, body))
    const { runId, attempt, name, nonce } = body
    const revelation: Revelation = { v: 1, deviceId: device.id, runId, attempt, name, nonce, value }
    const signed = signEnvelope(key(), SECRET_TYPE, Buffer.from(JSON.stringify(revelation)))
    return { kind: 'json', body: { sealed: await sealToDevice(Buffer.from(JSON.stringify(signed)), device.sealKey) } }
  }
}

/** X1 */
async function requireRun(trx: Db, device: AdmittedDevice, asked: SecretRequest, now: number): Promise<void> {
  const run = await trx
    .selectFrom('deployment_devices')
    .select(['state', 'run_id', 'cancel_run_id', 'run_started_at'])
    .where('deployment_id', '=', asked.deploymentId)
    .where('device_id', '=', device.id)
    .executeTakeFirst()
  if (run === undefined && !(await concernsDevice(trx, device.id, asked.deploymentId)))
    fail('SECRET_REFUSED', `Deployment ${asked.deploymentId} is not for ${device.id}.`)
  if (run?.run_id !== asked.runId)
    fail('RUN_NOT_REPORTED', `The site knows of no run ${asked.runId} of ${device.id}.`, { retryAfterMs: 500 })
  if (run.state !== 'running' || (run.run_started_at ?? 0) <= now - RUN_MS)
    fail('SECRET_REFUSED', `Run ${asked.runId} is over.`)
  if (run.cancel_run_id === asked.runId) fail('SECRET_REFUSED', `Run ${asked.runId} was ordered to end.`)
}

/** X2 */
async function namesSecret(trx: Db, deploymentId: DeploymentId, name: string): Promise<boolean> {
  const revisions = await trx
    .selectFrom('deployments')
    .innerJoin('sequence_revisions as revision', 'revision.sequence_id', 'deployments.sequence_id')
    .innerJoin('catalogue_targets as released', (join) =>
      join.onRef('released.name', '=', 'revision.target').onRef('released.sha256', '=', 'revision.sha256'),
    )
    .select(['revision.document', 'revision.target'])
    .where('deployments.id', '=', deploymentId)
    .orderBy('revision.revision', 'desc')
    .execute()
  return revisions.some(({ document, target }) => {
    if (!document.includes(name)) return false
    const parsed = parseSequence({ file: target, text: document })
    return parsed.ok && [...nodesOf(parsed.value.sequence)].some(({ node }) => secretsOf(node).includes(name))
  })
}

/** X3 */
async function remember(trx: Db, device: AdmittedDevice, asked: SecretRequest, now: number): Promise<void> {
  await trx
    .deleteFrom('secret_reveals')
    .where('revealed_at', '<', now - REMEMBERED_MS)
    .execute()
  const { runId: run_id, attempt, name, nonce } = asked
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('secret_reveals')
    .values({ device_id: device.id, run_id, attempt, name, nonce, revealed_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows === 1n) return
  const before = await trx
    .selectFrom('secret_reveals')
    .select(['nonce', 'revealed_at'])
    .where('device_id', '=', device.id)
    .where('run_id', '=', run_id)
    .where('attempt', '=', attempt)
    .where('name', '=', name)
    .executeTakeFirstOrThrow()
  if (before.nonce !== nonce || before.revealed_at <= now - SAME_QUESTION_MS)
    fail('SECRET_REFUSED', `Attempt ${attempt} of run ${run_id} has had the secret ${name}.`)
}
