/**
 * Earlier versions kept credentials in files: of cloud storage beside the signing keys, of the proxy where the
 * configuration says. They are taken into the vault, and the file goes after that is durable; a kill in between
 * is finished at the next start.
 */
import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder } from '@sluice/content'
import { CloudPointId, PointStorage } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import type { Credentials } from './credentials.ts'

const Kept = z.object({ v: z.literal(1), storage: PointStorage })

/** @param options.folder with one file for each cloud distribution point */
export async function adoptStorageFiles(options: {
  folder: string
  db: Kysely<Database>
  credentials: Credentials
  log: Log
}): Promise<void> {
  const { folder, db, credentials, log } = options
  const names = await readdir(folder).catch(() => [])
  if (names.length === 0) return
  for (const name of names) {
    const id = CloudPointId.safeParse(name.replace(/\.json$/, ''))
    if (!id.success) continue
    const path = join(folder, name)
    const point = await db.selectFrom('cloud_points').select('id').where('id', '=', id.data).executeTakeFirst()
    if (point !== undefined && (await credentials.get(`storage/${id.data}`)) === undefined) {
      const kept = Kept.safeParse(parse(await readFile(path, 'utf8')))
      if (!kept.success) {
        log.error('credentials of a distribution point cannot be read; they stay where they are', { file: path })
        continue
      }
      await credentials.set(db, `storage/${id.data}`, JSON.stringify(kept.data))
    }
    await rm(path)
    const what =
      point === undefined
        ? 'credentials of a point that is gone were deleted'
        : 'credentials of a distribution point are in the vault now'
    log.info(what, { pointId: id.data })
  }
  await syncFolder(folder)
  await rmdir(folder).catch(() => undefined)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
