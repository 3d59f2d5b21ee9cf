/**
 * The two-person rule: a deployment to more devices than one person may reach waits until somebody
 * else has approved it.
 *
 *   A1. What waits is in no policy: no device hears of it, and it entitles to no content.
 *   A2. An approval is for what would run: settings, sequence and packages. Any change waits again, and so
 *       does a deployment whose collection grew above the bound.
 *   A3. Who made or last changed it cannot approve it, with none of his tokens either.
 *   A4. A looser rule needs two persons as well; a stricter one counts at once.
 */
import {
  type ApprovalRule,
  type DeploymentId,
  fail,
  type PackageId,
  type PackageInfo,
  type Sha256,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { sha256 } from '../catalogue/metadata.ts'
import { nextNumbers } from '../db/counter.ts'
import type { Database, Db } from '../db/database.ts'

/** Of a person as `personOf` writes it. */
const idOf = (person: string): string => person.split(' ', 1)[0] ?? ''
const ONLY = 1

/** What is approved (A2). */
export function approvalDigest(
  deployment: { id: DeploymentId; revision: number; sequenceSha256: Sha256 | null },
  ids: readonly PackageId[],
  packages: ReadonlyMap<PackageId, PackageInfo>,
): Sha256 {
  const contents = ids.map((id) => [id, packages.get(id)?.contentId ?? null])
  const { id, revision, sequenceSha256 } = deployment
  return sha256(new TextEncoder().encode(JSON.stringify([id, revision, sequenceSha256, contents])))
}

export async function approvalRule(db: Db): Promise<ApprovalRule> {
  const row = await db.selectFrom('approval_rule').selectAll().where('id', '=', ONLY).executeTakeFirst()
  if (row === undefined) return { aboveDevices: null }
  const proposed = row.proposed === null ? undefined : (JSON.parse(row.proposed) as { aboveDevices: number | null })
  return {
    aboveDevices: row.above_devices,
    ...(proposed === undefined ? {} : { proposed: { ...proposed, by: row.proposed_by ?? '' } }),
  }
}

/** A4 */
export async function setApprovalRule(
  db: Kysely<Database>,
  aboveDevices: number | null,
  person: string,
): Promise<ApprovalRule> {
  return await db.transaction().execute(async (trx) => {
    await nextNumbers(trx, 'approval rule', 1) // one after the other
    const before = await approvalRule(trx)
    const looser = before.aboveDevices !== null && (aboveDevices === null || aboveDevices > before.aboveDevices)
    const { proposed } = before
    const seconded = proposed?.aboveDevices === aboveDevices && idOf(proposed.by) !== idOf(person)
    const next =
      looser && !seconded
        ? { above_devices: before.aboveDevices, proposed: JSON.stringify({ aboveDevices }), proposed_by: person }
        : { above_devices: aboveDevices, proposed: null, proposed_by: null }
    await trx
      .insertInto('approval_rule')
      .values({ id: ONLY, ...next })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(next))
      .execute()
    return await approvalRule(trx)
  })
}

/**
 * Keeps an approval (A3).
 * @throws ProblemError `APPROVAL_REFUSED`, `CONFLICT` when the deployment is another one by now
 */
export async function approve(
  db: Kysely<Database>,
  deployment: { id: DeploymentId; digest: Sha256 },
  expected: Sha256,
  person: string,
): Promise<void> {
  if (deployment.digest !== expected) fail('CONFLICT', 'What would run has changed meanwhile: look at it again.')
  const { author } = await db
    .selectFrom('deployments')
    .select('author')
    .where('id', '=', deployment.id)
    .executeTakeFirstOrThrow()
  if (author !== null && idOf(author) === idOf(person)) fail('APPROVAL_REFUSED', `It was made by ${author}.`)
  await db
    .updateTable('deployments')
    .set({ approved_by: person, approved_digest: deployment.digest })
    .where('id', '=', deployment.id)
    .execute()
}
