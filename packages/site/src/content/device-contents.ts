/** What the caches of devices hold, as they say, and what an update costs each of them. */
import { DeviceFacts, MAX_COSTED_DEVICES, type PackageCosts, type PackageDiff, type PackageId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import type { StatusListener } from '../status/status.ts'

/** Versions that are compared with the new one; what a device has beside these counts for nothing. */
const MOST_VERSIONS = 20

/** Keeps what a device said last. */
export const keepDeviceContents: StatusListener = async (trx, { deviceId, message: { event } }) => {
  if (event.kind !== 'cacheState') return
  await trx.deleteFrom('device_contents').where('device_id', '=', deviceId).execute()
  const contents = [...new Set(event.contents)]
  if (contents.length > 0)
    await trx
      .insertInto('device_contents')
      .values(contents.map((content_id) => ({ device_id: deviceId, content_id })))
      .execute()
}

/** @param diff what the way from a version to another costs; of one to itself only `wholeBytes` means something */
export async function packageCosts(
  db: Kysely<Database>,
  packageId: PackageId,
  order: { to: number; device?: Database['devices']['id'] | undefined },
  diff: (from: number, to: number) => Promise<Pick<PackageDiff, 'frameBytes' | 'pageBytes' | 'wholeBytes'>>,
): Promise<PackageCosts> {
  const { to, device } = order
  const { wholeBytes } = await diff(to, to)
  const rows = await db
    .selectFrom('device_contents as held')
    .innerJoin('package_versions as version', 'version.content_id', 'held.content_id')
    .innerJoin('devices', 'devices.id', 'held.device_id')
    .select(['devices.id', 'devices.facts', 'version.version'])
    .where('version.package_id', '=', packageId)
    .where('version.deleted_at', 'is', null)
    .where('devices.state', '=', 'approved')
    .$if(device !== undefined, (query) => query.where('devices.id', '=', device ?? ('' as never)))
    .orderBy('version.version', 'desc')
    .orderBy('devices.id')
    .execute()
  const costs = new Map<number, number>([[to, 0]])
  for (const version of [...new Set(rows.map((row) => row.version))].slice(0, MOST_VERSIONS)) {
    if (costs.has(version)) continue
    const { frameBytes, pageBytes } = await diff(version, to)
    costs.set(version, frameBytes + pageBytes)
  }
  const devices = new Map<string, PackageCosts['devices'][number]>()
  for (const { id, facts, version } of rows) {
    const cost = costs.get(version)
    if (cost === undefined) continue
    const { hostname } = DeviceFacts.parse(JSON.parse(facts))
    const known = devices.get(id) ?? { deviceId: id, hostname, versions: [], fetchBytes: wholeBytes }
    known.versions.push(version)
    // What two versions save together is not added up: it never costs more than with the better one.
    known.fetchBytes = Math.min(known.fetchBytes, cost)
    devices.set(id, known)
  }
  const all = [...devices.values()].sort((a, b) => a.hostname.localeCompare(b.hostname, 'en'))
  return { to, wholeBytes, devices: all.slice(0, MAX_COSTED_DEVICES), more: all.length > MAX_COSTED_DEVICES }
}
