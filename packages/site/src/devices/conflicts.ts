/**
 * Tells computers apart: one that comes again with a new key, and two that use one identity.
 *
 * Owns what hardware a device has, the lives of its agent, open conflicts and how they end. Does not own who
 * enrols (`enrolment.ts`).
 *
 *   C1. Hardware is what a computer says of itself. It never lets anybody in, and keeps nobody out who has proof of
 *       another kind. What was of a record goes to another key only where an administrator or the rule says so.
 *   C2. A device counts its questions durably before it asks. So the questions of one life of its agent all come
 *       before those of the next: a life that goes on after another one began is a second computer. A question
 *       that was late has a number from before the other life; a folder that was restored from a backup is a new
 *       life whose predecessor never speaks again. Neither is taken for a copy.
 *   C3. Who is cloned is shut out everywhere until somebody decides: which of the two is meant, nobody can tell.
 *   C4. A record that goes over to another key keeps id, collections and history; the key before it never gets in
 *       again, and what its certificates could do ends.
 */
import {
  type ConflictResolution,
  type ConflictRule,
  type DeviceConflict,
  DeviceFacts,
  type DeviceId,
  fail,
  type Page,
  type PageQuery,
  type PolicyRequest,
  type Sha256,
  USUAL_PAGE,
} from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import { z } from 'zod'
import { type Clock, timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import { countOf, pageFrom, timeKeyOf } from '../db/page.ts'
import type { Log } from '../log.ts'
import type { Vault } from '../secrets/vault.ts'
import type { RememberedDevice } from './admission.ts'
import { inherit } from './inherit.ts'

/** Lives of an agent that are remembered, newest last. */
const MAX_LIVES = 8
/** What firmware says that was never given a UUID of its own. */
const NO_UUIDS = new Set(['03000200-0400-0500-0006-000700080009', '12345678-1234-5678-90ab-cddeefaabbcc'])

/** @returns undefined where the computer has nothing that tells it from others */
export function hardwareOf({ hardwareUuid }: DeviceFacts): string | undefined {
  const uuid = hardwareUuid?.trim().toLowerCase()
  if (uuid === undefined || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return undefined
  return NO_UUIDS.has(uuid) || /^([0-9a-f])\1*$/.test(uuid.replaceAll('-', '')) ? undefined : uuid
}

const Lives = z.array(z.object({ id: z.string(), first: z.int() })).catch([])
type Lives = z.infer<typeof Lives>

/** C2. @returns `clone`, the lives as they are to be kept, or undefined when there is no news */
export function judgeLife(lives: Lives, life: NonNullable<PolicyRequest['life']>): 'clone' | Lives | undefined {
  const at = lives.findIndex(({ id }) => id === life.id)
  if (at === -1) return [...lives, { id: life.id, first: life.question }].slice(-MAX_LIVES)
  return lives.slice(at + 1).some(({ first }) => life.question >= first) ? 'clone' : undefined
}

/** The new key of a record. */
export interface Rekeyed {
  fingerprint: Sha256
  seal_key: string
  facts: string
  agent: string
}

export interface Conflicts {
  rule(): Promise<ConflictRule>
  setRule(rule: ConflictRule): Promise<ConflictRule>
  /** Oldest first. */
  list(query?: Partial<PageQuery>): Promise<Page<DeviceConflict>>
  /** `NOT_FOUND`, `CONFLICT`. @returns the device that remains */
  resolve(id: DeviceId, how: ConflictResolution): Promise<DeviceId>
  /** At a question for policy. @throws ProblemError `DEVICE_BLOCKED` (C3) */
  look(id: DeviceId, seen: { facts: DeviceFacts; life?: PolicyRequest['life'] }, known: RememberedDevice): Promise<void>
}

export function createConflicts(options: {
  db: Kysely<Database>
  clock: Clock
  log: Log
  vault: Vault
  revoke(id: DeviceId): Promise<unknown>
  /** The certificates that gateways must refuse have changed. */
  onCertificates(): void
  /** Its collections or variables have changed. */
  onInherited(id: DeviceId): void
}): Conflicts {
  const { db, clock, log, vault, revoke, onCertificates, onInherited } = options

  async function block(id: DeviceId, detail: string): Promise<never> {
    await db.transaction().execute(async (trx) => {
      await trx.updateTable('devices').set({ blocked_at: clock.now() }).where('id', '=', id).execute()
      await trx
        .insertInto('device_conflicts')
        .values({ device_id: id, kind: 'cloned', other_id: null, detail, since: clock.now() })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    })
    log.warn('two computers use the identity of a device', { deviceId: id, detail })
    onCertificates()
    return fail('DEVICE_BLOCKED', detail)
  }

  async function merge(id: DeviceId, other: DeviceId): Promise<void> {
    await db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
      const uses = await trx.selectFrom('token_uses').selectAll().where('device_id', '=', id).execute()
      const user = await trx.selectFrom('device_users').selectAll().where('device_id', '=', id).executeTakeFirst()
      const by = await trx
        .selectFrom('organisation_certificates')
        .selectAll()
        .where('device_id', '=', id)
        .executeTakeFirst()
      await trx.deleteFrom('devices').where('id', '=', id).execute()
      await rekey(trx, other, row, clock.now())
      for (const { token_id, used_at } of uses)
        await trx
          .insertInto('token_uses')
          .values({ token_id, device_id: other, used_at })
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      for (const table of ['device_users', 'organisation_certificates'] as const)
        await trx.deleteFrom(table).where('device_id', '=', other).execute()
      if (user !== undefined)
        await trx
          .insertInto('device_users')
          .values({ ...user, device_id: other })
          .execute()
      if (by !== undefined)
        await trx
          .insertInto('organisation_certificates')
          .values({ ...by, device_id: other })
          .execute()
    })
    onCertificates()
  }

  async function resolveReenrolled(id: DeviceId, other: DeviceId, how: ConflictResolution): Promise<DeviceId> {
    const { state } = await db.selectFrom('devices').select('state').where('id', '=', id).executeTakeFirstOrThrow()
    if (how === 'merge' && state === 'pending') {
      await merge(id, other)
      return other
    }
    if (how === 'merge') {
      // It is at work under its own id, which its certificates name.
      await db.transaction().execute((trx) => inherit(trx, vault, other, id))
      await revoke(other)
      onInherited(id)
      return id
    }
    if (how === 'block') await revoke(id)
    else await db.updateTable('devices').set({ state: 'approved' }).where('id', '=', id).execute()
    return id
  }

  async function resolveCloned(id: DeviceId, how: ConflictResolution): Promise<DeviceId> {
    if (how === 'new')
      return fail(
        'CONFLICT',
        'Both have the same key. Block it: each computer then enrols anew, as a device of its own.',
      )
    if (how === 'block') await revoke(id)
    // What it says from now on is what it is.
    await db
      .updateTable('devices')
      .set({ blocked_at: null, hardware: null, agents: null })
      .where('id', '=', id)
      .execute()
    onCertificates()
    return id
  }

  const rule = async (): Promise<ConflictRule> => ({ rule: await ruleNow(db) })

  return {
    rule,
    async setRule(next) {
      await db
        .insertInto('conflict_rule')
        .values({ id: 1, ...next })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(next))
        .execute()
      return await rule()
    },
    async list(query) {
      const { limit, cursor, total }: PageQuery = { limit: USUAL_PAGE, total: false, ...query }
      const after = timeKeyOf(cursor)
      let asked = db
        .selectFrom('device_conflicts as conflict')
        .innerJoin('devices as device', 'device.id', 'conflict.device_id')
        .leftJoin('devices as other', 'other.id', 'conflict.other_id')
        .selectAll('conflict')
        .select(['device.facts', 'other.facts as other_facts'])
        .orderBy('conflict.since')
        .orderBy('conflict.device_id')
        .limit(limit + 1)
      if (after !== undefined) {
        const [at, id] = after
        asked = asked.where((eb) =>
          eb(eb.refTuple('conflict.since', 'conflict.device_id'), '>', eb.tuple(at, id as DeviceId)),
        )
      }
      const page = pageFrom(await asked.execute(), limit, (row) => [row.since, row.device_id])
      const nameOf = (facts: string) => DeviceFacts.parse(JSON.parse(facts)).hostname
      const items = page.items.map((row) => ({
        deviceId: row.device_id,
        name: nameOf(row.facts),
        kind: row.kind,
        ...(row.other_id === null || row.other_facts === null
          ? {}
          : { other: { deviceId: row.other_id, name: nameOf(row.other_facts) } }),
        detail: row.detail,
        since: timestamp(row.since),
      }))
      return { ...page, items, ...(total ? { total: await countOf(db, 'device_conflicts') } : {}) }
    },
    async resolve(id, how) {
      const open = await db.selectFrom('device_conflicts').selectAll().where('device_id', '=', id).executeTakeFirst()
      if (open === undefined) return fail('NOT_FOUND', `There is no open conflict of ${id}.`)
      const remaining =
        open.kind === 'reenrolled' && open.other_id !== null
          ? await resolveReenrolled(id, open.other_id, how)
          : await resolveCloned(id, how)
      await db.deleteFrom('device_conflicts').where('device_id', '=', id).execute()
      log.info('a conflict of devices was resolved', { deviceId: id, how, remaining })
      return remaining
    },
    async look(id, { facts, life }, known) {
      const hardware = hardwareOf(facts)
      if (hardware !== undefined && known.hardware !== null && hardware !== known.hardware)
        return await block(id, `It comes from the hardware ${known.hardware} and from ${hardware}.`)
      const lives =
        life === undefined ? undefined : judgeLife(Lives.parse(JSON.parse(known.agents ?? '[]') as unknown), life)
      if (lives === 'clone') return await block(id, 'Two agents ask with its key in turns.')
      const news = {
        ...(hardware === undefined || known.hardware !== null ? {} : { hardware }),
        ...(lives === undefined ? {} : { agents: JSON.stringify(lives) }),
      }
      if (Object.keys(news).length > 0) await db.updateTable('devices').set(news).where('id', '=', id).execute()
    },
  }
}

export async function ruleNow(db: Db): Promise<ConflictRule['rule']> {
  return (await db.selectFrom('conflict_rule').select('rule').executeTakeFirst())?.rule ?? 'ask'
}

/** The approved device that has this hardware; the one that was seen last of several, which then may be another one. */
export async function deviceWith(db: Db, hardware: string): Promise<{ id: DeviceId; sure: boolean } | undefined> {
  const found = await db
    .selectFrom('devices')
    .select('id')
    .where('hardware', '=', hardware)
    .where('state', '=', 'approved')
    .where('blocked_at', 'is', null)
    .orderBy('last_seen_at', 'desc')
    .orderBy('id')
    .limit(2)
    .execute()
  const [first] = found
  return first && { id: first.id, sure: found.length === 1 }
}

export async function hasOpenConflict(db: Db, id: DeviceId): Promise<boolean> {
  const row = await db.selectFrom('device_conflicts').select('kind').where('device_id', '=', id).executeTakeFirst()
  return row !== undefined
}

/** C4, in the caller's transaction; whoever called it tells the gateways. */
export async function rekey(trx: Transaction<Database>, id: DeviceId, next: Rekeyed, now: number): Promise<void> {
  const { fingerprint, seal_key, facts, agent } = next
  const before = await trx.selectFrom('devices').select('fingerprint').where('id', '=', id).executeTakeFirstOrThrow()
  await trx
    .insertInto('retired_keys')
    .values({ fingerprint: before.fingerprint, device_id: id, retired_at: now })
    .execute()
  await trx
    .updateTable('devices')
    .set({ fingerprint, seal_key, facts, agent, agents: null, state: 'approved' })
    .where('id', '=', id)
    .execute()
  await trx
    .updateTable('device_certificates')
    .set({ revoked_at: now })
    .where('device_id', '=', id)
    .where('revoked_at', 'is', null)
    .execute()
  // The new installation begins to count its messages anew, perhaps in the same boot.
  await trx
    .updateTable('status_messages')
    .set((eb) => ({ boot_id: eb('boot_id', '||', ` ${before.fingerprint.slice(0, 16)}`) }))
    .where('device_id', '=', id)
    .execute()
  // What was sealed to the key before is made anew, and its runs have nobody who goes on with them.
  await trx.updateTable('policy_bodies').set({ facts_revision: null }).where('device_id', '=', id).execute()
  await trx
    .updateTable('deployment_devices')
    .set({ state: 'cancelled', changed_at: now })
    .where('device_id', '=', id)
    .where('state', '=', 'running')
    .execute()
}
