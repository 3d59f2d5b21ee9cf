/**
 * A process of the site that does nothing but the work at distribution points, for tests that kill it.
 * Takes one JSON argument; says `started`, and `done` for every content that it brought to a point.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { openFolderStore } from '@sluice/content'
import { type DatabaseLocation, openDatabase } from '../../db/database.ts'
import { createLog } from '../../log.ts'
import { createCredentials } from '../../secrets/credentials.ts'
import { openVault } from '../../secrets/vault.ts'
import { createCloudPoints } from '../cloud-points.ts'
import { createPointWork } from '../point-work.ts'

export interface PointProcess {
  location: DatabaseLocation
  /** Store, and the key of the vault. */
  folder: string
  /** How far the clock of this process is ahead, in milliseconds: leases of the dead run out sooner. */
  aheadMs: number
}

if (import.meta.main) {
  const { location, folder, aheadMs } = JSON.parse(process.argv[2] ?? '') as PointProcess
  const opened = await openDatabase(location)
  if (!opened.ok) throw new Error(opened.problem.detail)
  const db = opened.value
  const clock = { now: () => Date.now() + aheadMs }
  const log = createLog((line) => process.stderr.write(`${line}\n`))
  const vault = await openVault({ file: join(folder, 'vault.key'), db, log })
  const credentials = createCredentials({ db, vault, clock })
  const points = createCloudPoints({ db, credentials, clock, log, onChanged: () => {} })
  const store = await openFolderStore(join(folder, 'store'))
  const owner = randomBytes(16).toString('hex')
  const work = createPointWork({
    ...{ db, store, points, clock, log, owner },
    onChanged: () => void process.stdout.write('done\n'),
    onArrived: (id) => void process.stdout.write(`arrived ${id}\n`),
  })
  await work.start()
  process.stdout.write('started\n')
  process.on('SIGTERM', () => void work.stop().then(() => db.destroy()))
}
