/**
 * Counts the changes of everything that policy is made of, so that a body is built when something
 * changed and not at each poll. The count is a row of the database: it holds for every process of the
 * site, and rises in the transaction of the change itself.
 *
 * R1. Every statement of the site goes through this dialect. One that changed a row of a *fact* raises
 *     the count as the last statement of its transaction; outside of one it gets a transaction for that.
 * R2. What is not listed as beside the point is a fact: a table or column that somebody adds makes
 *     bodies be built more often than needed, never a body stay that should have changed.
 * R3. Who builds a body reads the count first: a change meanwhile makes it old, not wrongly new.
 */
import {
  AliasNode,
  ColumnNode,
  CompiledQuery,
  DeleteQueryNode,
  type Dialect,
  InsertQueryNode,
  type OperationNode,
  ReferenceNode,
  type RootOperationNode,
  TableNode,
  UpdateQueryNode,
} from 'kysely'
import type { Database, Db } from '../db/database.ts'
import { isChangingText, watchedDialect } from '../db/watched-dialect.ts'

export const FACTS_COUNTER = 'policy facts'

const raise = CompiledQuery.raw(
  `insert into counters (name, value) values ('${FACTS_COUNTER}', 1) on conflict (name) do update set value = counters.value + 1`,
)

/** Says by hand that a body may be old: for what devices themselves change, one at a time. */
export async function policyIsOld(db: Db, deviceId: Database['policy_bodies']['device_id']): Promise<void> {
  await db.updateTable('policy_bodies').set({ facts_revision: null }).where('device_id', '=', deviceId).execute()
}

/**
 * Tables of which no body is made, or those of their columns (R2). The rows of `deployment_devices`
 * are about one device each: who changes there what a body names says `policyIsOld`.
 */
const besideThePoint: Partial<Record<keyof Database | 'migrations', 'whole' | ReadonlySet<string>>> = {
  ...{ migrations: 'whole', counters: 'whole', policy_bodies: 'whole', jobs: 'whole', status_messages: 'whole' },
  ...{ devices: 'whole', device_certificates: 'whole', enrolment_tokens: 'whole', token_uses: 'whole' },
  // Whoever comes, and whatever strangers begin, is no reason to build the bodies of all.
  ...{ sign_ins: 'whole', enrolment_sign_in: 'whole', device_users: 'whole', organisation_certificates: 'whole' },
  ...{ device_conflicts: 'whole', retired_keys: 'whole', secret_reveals: 'whole' },
  ...{ packs: 'whole', chunks: 'whole', version_objects: 'whole', condemned_objects: 'whole' },
  ...{ layout_moves: 'whole', next_objects: 'whole', layout_arrivals: 'whole', device_contents: 'whole' },
  ...{ catalogue_metadata: 'whole', catalogue_blobs: 'whole', catalogue_drafts: 'whole' },
  ...{ administrators: 'whole', admin_recovery_codes: 'whole', admin_passkeys: 'whole', admin_invitations: 'whole' },
  ...{ admin_sessions: 'whole', admin_challenges: 'whole', sign_in_failures: 'whole', api_tokens: 'whole' },
  ...{ audit_entries: 'whole', audit_head: 'whole', gateway_traffic: 'whole' },
  // What a body names of it is about one device: `policyIsOld`.
  run_debugging: 'whole',
  ...{ leases: 'whole', content_leases: 'whole' },
  gateways: new Set(['traffic_since', 'pack_bytes', 'page_bytes', 'earlier_pack_bytes', 'earlier_page_bytes']),
  distributions: new Set(['present_bytes', 'total_bytes', 'attempts', 'problem', 'changed_at']),
  deployment_devices: new Set([
    ...['deployment_id', 'device_id', 'state', 'refusals', 'run_id', 'run_contents', 'run_started_at', 'report'],
    ...['changed_at', 'user_paused_until'],
  ]),
}

/** Whether the statement may change what policy is made of. Raw text may do anything. */
export function changesFacts({ query, sql }: Pick<CompiledQuery, 'query' | 'sql'>): boolean {
  const written = writtenBy(query)
  if (written === undefined) return isChangingText({ query, sql })
  const beside = besideThePoint[written.table as keyof Database]
  if (beside === 'whole') return false
  return beside === undefined || written.columns === undefined || written.columns.some((one) => !beside.has(one))
}

/** @returns the table, and the columns where they are known; undefined for what is no plain change of rows */
function writtenBy(query: RootOperationNode): { table: string; columns: string[] | undefined } | undefined {
  if (InsertQueryNode.is(query)) {
    const { into, columns = [], onConflict } = query
    if (into === undefined) return undefined
    const named = [...columns, ...(onConflict?.updates ?? []).map(({ column }) => column)]
    return { table: into.table.identifier.name, columns: namesOf(named) }
  }
  if (UpdateQueryNode.is(query)) {
    const table = tableName(query.table)
    const named = (query.updates ?? []).map(({ column }) => column)
    return table === undefined ? undefined : { table, columns: namesOf(named) }
  }
  if (DeleteQueryNode.is(query)) {
    const table = tableName(query.from.froms[0])
    return table === undefined ? undefined : { table, columns: undefined }
  }
  return undefined
}

function tableName(node: OperationNode | undefined): string | undefined {
  if (node === undefined) return undefined
  if (AliasNode.is(node)) return tableName(node.node)
  return TableNode.is(node) ? node.table.identifier.name : undefined
}

/** Undefined when one of them is more than a name. */
function namesOf(columns: readonly OperationNode[]): string[] | undefined {
  const names = columns.flatMap((node) => {
    const column = ReferenceNode.is(node) ? node.column : node
    return ColumnNode.is(column) ? column.column.name : []
  })
  return names.length === columns.length && names.length > 0 ? names : undefined
}

/** R1 */
export const factsDialect = (inner: Dialect): Dialect =>
  watchedDialect(inner, {
    concerns: changesFacts,
    async beforeCommit(connection) {
      await connection.executeQuery(raise)
      return undefined
    },
  })
