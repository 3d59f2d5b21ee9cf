/** Contents that devices may be fetching: nothing of them goes from where it lies. */
import { ContentId, type DeviceId } from '@sluice/protocol'
import { z } from 'zod'
import type { Db } from '../db/database.ts'

/** How long a started run may fetch what its policy named, when the policy no longer does. */
export const RUN_CONTENTS_MS = 7 * 24 * 3600_000

/** What the runs of a device that go on were started with. */
export async function runContents(source: Db, deviceId: DeviceId, now: number): Promise<Set<ContentId>> {
  const rows = await source
    .selectFrom('deployment_devices')
    .select('run_contents')
    .where('device_id', '=', deviceId)
    .where('state', '=', 'running')
    .where('run_started_at', '>', now - RUN_CONTENTS_MS)
    .execute()
  return new Set(rows.flatMap(({ run_contents }) => z.array(ContentId).parse(JSON.parse(run_contents ?? '[]'))))
}

/** Those that a content token covers now, or that a device is running with. */
export async function neededContents(source: Db, now: number): Promise<Set<ContentId>> {
  const [leased, running] = await Promise.all([
    source.selectFrom('content_leases').select('content_id').distinct().where('until', '>', now).execute(),
    source
      .selectFrom('deployment_devices')
      .select('run_contents')
      .distinct()
      .where('state', '=', 'running')
      .where('run_started_at', '>', now - RUN_CONTENTS_MS)
      .execute(),
  ])
  const needed = new Set(leased.map((row) => row.content_id))
  for (const { run_contents } of running)
    for (const id of z.array(ContentId).parse(JSON.parse(run_contents ?? '[]'))) needed.add(id)
  return needed
}
