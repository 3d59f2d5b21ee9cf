/**
 * What became of a deployment on each device, derived from status messages (D2 and D3 of
 * `deployments.ts`).
 */
import {
  CANCELLED_RUNS,
  type ContentId,
  type DeploymentDevice,
  type DeploymentDeviceQuery,
  type DeploymentId,
  type DeploymentInfo,
  type DeviceId,
  PAUSED_RUNS,
  type Page,
  Problem,
  type RunId,
  RunReport,
  type StatusEvent,
} from '@sluice/protocol'
import type { Insertable, Transaction } from 'kysely'
import { z } from 'zod'
import type { Database, Db } from '../db/database.ts'
import { idKeyOf, pageFrom } from '../db/page.ts'
import type { DeploymentsTables } from '../db/schema/deployments.ts'
import { policyIsOld } from '../policy/facts-revision.ts'
import type { StatusListener } from '../status/status.ts'

export type DeviceState = DeploymentDevice

/** Gives the contents that the policy a device was sent last names for a deployment. */
export type ContentsOf = (
  trx: Transaction<Database>,
  deviceId: DeviceId,
  deployment: DeploymentId,
) => Promise<ContentId[]>

export function deviceStateListener(contentsOf: ContentsOf): StatusListener {
  return async (trx, { deviceId, receivedAt, message: { event } }) => {
    if (!isDerived(event)) return
    const before = await stateOf(trx, deviceId, event.deploymentId)
    if (before === undefined) return // D2
    const contents = event.kind === 'runStarted' ? await contentsOf(trx, deviceId, event.deploymentId) : []
    const next = after(event, before, contents, receivedAt)
    const row = { deployment_id: event.deploymentId, device_id: deviceId, ...next, changed_at: receivedAt }
    await trx
      .insertInto('deployment_devices')
      .values(row)
      .onConflict((conflict) => conflict.columns(['deployment_id', 'device_id']).doUpdateSet(row))
      .execute()
    // Policy names runs of the device that an administrator ended: this one's may be over.
    if (event.kind === 'runStarted' || event.kind === 'runFinished') await policyIsOld(trx, deviceId)
  }
}

/** Of one deployment, those that are in that state or in any, by their ids. */
export async function pageOfDeviceStates(
  db: Db,
  id: DeploymentId,
  { limit, cursor, state, total }: DeploymentDeviceQuery,
): Promise<Page<DeviceState>> {
  const after = idKeyOf(cursor)
  let rows = membersOf(db, id)
    .select(['member.device_id', 'said.state', 'said.refusals', 'said.report'])
    .select(['said.run_id', 'said.cancel_run_id', 'said.pause_run_id', 'said.user_paused_until'])
    .orderBy('member.device_id')
    .limit(limit + 1)
  // Who said nothing has no row, and waits.
  if (state === 'waiting') rows = rows.where('said.state', 'is', null)
  else if (state !== undefined) rows = rows.where('said.state', '=', state)
  if (after !== undefined) rows = rows.where('member.device_id', '>', after as DeviceId)
  const page = pageFrom(await rows.execute(), limit, (row) => [row.device_id])
  if (!total) return { ...page, items: page.items.map(stateFrom) }
  const counts = await stateCounts(db, id)
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
  return { ...page, items: page.items.map(stateFrom), total: state === undefined ? all : (counts[state] ?? 0) }
}

/** How many devices of a deployment's collection are in which state. */
export async function stateCounts(db: Db, id: DeploymentId): Promise<DeploymentInfo['counts']> {
  const rows = await membersOf(db, id)
    .select('said.state')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .groupBy('said.state')
    .execute()
  return Object.fromEntries(rows.map(({ state, count }) => [state ?? 'waiting', Number(count)]))
}

/** The members of a deployment's collection, with what they said. */
const membersOf = (db: Db, id: DeploymentId) =>
  db
    .selectFrom('deployments')
    .innerJoin('collection_members as member', 'member.collection_id', 'deployments.collection_id')
    .leftJoin('deployment_devices as said', (join) =>
      join.onRef('said.deployment_id', '=', 'deployments.id').onRef('said.device_id', '=', 'member.device_id'),
    )
    .where('deployments.id', '=', id)

interface StateRow {
  device_id: DeviceId
  state: DeviceState['state'] | null
  refusals: string | null
  report: string | null
  run_id: RunId | null
  cancel_run_id: RunId | null
  pause_run_id: RunId | null
  user_paused_until: number | null
}

const stateFrom = (row: StateRow): DeviceState => ({
  deviceId: row.device_id,
  state: row.state ?? 'waiting',
  refusals: row.refusals === null ? [] : z.array(Problem).parse(JSON.parse(row.refusals)),
  ...(row.state === 'running' && row.cancel_run_id === row.run_id ? { cancelOrdered: true as const } : {}),
  ...(row.state === 'running' && row.pause_run_id === row.run_id ? { pauseOrdered: true as const } : {}),
  ...(row.state === 'running' && row.user_paused_until !== null
    ? { userPausedUntil: new Date(row.user_paused_until).toISOString() }
    : {}),
  ...(row.run_id === null ? {} : { runId: row.run_id }),
  ...(row.report === null ? {} : { report: RunReport.parse(JSON.parse(row.report)) }),
})

/**
 * Orders the end of the run that a device is in, and gives its id; undefined when the site knows of none. The order
 * names the run, so it never ends a later one.
 */
export async function orderCancellation(
  db: Db,
  deployment: DeploymentId,
  deviceId: DeviceId,
): Promise<RunId | undefined> {
  const row = await db
    .updateTable('deployment_devices')
    .set((eb) => ({ cancel_run_id: eb.ref('run_id') }))
    .where('deployment_id', '=', deployment)
    .where('device_id', '=', deviceId)
    .where('state', '=', 'running')
    .returning('cancel_run_id')
    .executeTakeFirst()
  return row?.cancel_run_id ?? undefined
}

/** Orders the run that a device is in to rest, or to go on; its id, or undefined when the site knows of none. */
export async function orderPause(
  db: Db,
  deployment: DeploymentId,
  deviceId: DeviceId,
  paused: boolean,
): Promise<RunId | undefined> {
  const row = await db
    .updateTable('deployment_devices')
    .set((eb) => ({
      pause_run_id: paused ? eb.ref('run_id') : null,
      resume_run_id: paused ? null : eb.ref('run_id'),
    }))
    .where('deployment_id', '=', deployment)
    .where('device_id', '=', deviceId)
    .where('state', '=', 'running')
    .returning('run_id')
    .executeTakeFirst()
  return row?.run_id ?? undefined
}

/** What administrators ordered of the runs that a device is in, as policy names them. */
export interface RunOrders {
  /** To end, and have not. */
  cancelled: RunId[]
  /** To rest. */
  paused: RunId[]
  /** To go on, also where the device's user let them rest. */
  resumed: RunId[]
}

/** Of those of the devices that are in a run. */
export async function runOrders(db: Db, ids: readonly DeviceId[]): Promise<Map<DeviceId, RunOrders>> {
  const rows = await db
    .selectFrom('deployment_devices')
    .select(['device_id', 'run_id', 'cancel_run_id', 'pause_run_id', 'resume_run_id'])
    .where('device_id', 'in', ids)
    .where('state', '=', 'running')
    .orderBy('run_id')
    .execute()
  const found = new Map<DeviceId, RunOrders>()
  for (const row of rows) {
    const orders = found.get(row.device_id) ?? { cancelled: [], paused: [], resumed: [] }
    found.set(row.device_id, orders)
    order(orders.cancelled, row.run_id, row.cancel_run_id, CANCELLED_RUNS)
    order(orders.paused, row.run_id, row.pause_run_id, PAUSED_RUNS)
    order(orders.resumed, row.run_id, row.resume_run_id, PAUSED_RUNS)
  }
  return found
}

/** Only where the order is about the run that goes on. */
function order(into: RunId[], run: RunId | null, ordered: RunId | null, atMost: number): void {
  if (run !== null && ordered === run && into.length < atMost) into.push(run)
}

type Said = Omit<
  Insertable<DeploymentsTables['deployment_devices']>,
  'deployment_id' | 'device_id' | 'changed_at' | 'cancel_run_id' | 'pause_run_id' | 'resume_run_id'
>

/** Whether the deployment is, or was, for the device: it is in the collection, or has said something of it. */
export const concernsDevice = async (db: Db, deviceId: DeviceId, id: DeploymentId): Promise<boolean> =>
  (await stateOf(db, deviceId, id)) !== undefined

/** What is known of a device; undefined when the deployment is none of its business. */
async function stateOf(db: Db, deviceId: DeviceId, id: DeploymentId): Promise<Said | 'nothing' | undefined> {
  const said = await db
    .selectFrom('deployment_devices')
    .select(['state', 'refusals', 'run_id', 'run_contents', 'run_started_at', 'report', 'user_paused_until'])
    .where('deployment_id', '=', id)
    .where('device_id', '=', deviceId)
    .executeTakeFirst()
  if (said !== undefined) return said
  const member = await db
    .selectFrom('deployments')
    .innerJoin('collection_members as member', 'member.collection_id', 'deployments.collection_id')
    .select('deployments.id')
    .where('deployments.id', '=', id)
    .where('member.device_id', '=', deviceId)
    .executeTakeFirst()
  return member === undefined ? undefined : 'nothing'
}

const derived = ['deploymentEvaluated', 'runStarted', 'runPaused', 'runResumed', 'runFinished'] as const
type DerivedEvent = Extract<StatusEvent, { kind: (typeof derived)[number] }>

const isDerived = (event: StatusEvent): event is DerivedEvent => derived.some((kind) => kind === event.kind)

const nothingSaid: Said = {
  state: 'offered',
  refusals: '[]',
  run_id: null,
  run_contents: null,
  run_started_at: null,
  report: null,
  user_paused_until: null,
}

const finished = { success: 'succeeded', failure: 'failed', cancelled: 'cancelled' } as const

/** The next state of a device in a deployment. */
function after(event: DerivedEvent, before: Said | 'nothing', contents: readonly ContentId[], at: number): Said {
  const known: Said = before === 'nothing' ? nothingSaid : before
  switch (event.kind) {
    case 'deploymentEvaluated': {
      // What ran or runs says more than what could run.
      const open = known.state === 'offered' || known.state === 'refused'
      const state = open ? (event.refusals.length === 0 ? 'offered' : 'refused') : known.state
      return { ...known, state, refusals: JSON.stringify(event.refusals) }
    }
    case 'runStarted':
      return {
        ...known,
        state: 'running',
        run_id: event.runId,
        run_contents: JSON.stringify(contents), // D3
        run_started_at: at,
        report: null,
        user_paused_until: null,
      }
    case 'runPaused':
    case 'runResumed': {
      // Of a run that is over there is nothing to tell.
      if (known.state !== 'running' || known.run_id !== event.runId) return known
      return { ...known, user_paused_until: event.kind === 'runPaused' ? Date.parse(event.until) : null }
    }
    case 'runFinished':
      return {
        ...known,
        state: finished[event.report.result],
        run_id: event.runId,
        run_contents: null,
        user_paused_until: null,
        report: JSON.stringify(event.report),
      }
  }
}
