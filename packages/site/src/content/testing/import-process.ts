/**
 * A process that does nothing but imports, for tests that kill it. Takes one JSON argument; says
 * `started` when the library runs and `done` when no job is left.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openFolderStore, sha256 } from '@sluice/content'
import { ClientSettings, PackageId, SiteId } from '@sluice/protocol'
import { type DatabaseLocation, openDatabase } from '../../db/database.ts'
import { createAdmission } from '../../devices/admission.ts'
import { createKeyring } from '../../keys/keyring.ts'
import { createLog } from '../../log.ts'
import { createCredentials } from '../../secrets/credentials.ts'
import { openVault } from '../../secrets/vault.ts'
import { createContentLibrary } from '../content-library.ts'

export interface ImportProcess {
  location: DatabaseLocation
  /** Store, keys, scratch space, and a file for each release: `released <target, - for /> <hash>`. */
  folder: string
  /** What to import as a new package; nothing when it only goes on. */
  source?: string
  /** How far the clock of this process is ahead, in milliseconds: leases of the dead run out sooner. */
  aheadMs: number
}

if (import.meta.main) {
  const { location, folder, source, aheadMs } = JSON.parse(process.argv[2] ?? '') as ImportProcess
  const opened = await openDatabase(location)
  if (!opened.ok) throw new Error(opened.problem.detail)
  const db = opened.value
  const clock = { now: () => Date.now() + aheadMs }
  const log = createLog((line) => process.stderr.write(`${line}\n`))
  const keyring = await createKeyring({ folder: join(folder, 'keys'), log })
  const vault = await openVault({ file: join(folder, 'vault.key'), db, log })
  const credentials = createCredentials({ db, vault, clock })
  const library = createContentLibrary({
    db,
    store: await openFolderStore(join(folder, 'store')),
    stagingFolder: join(folder, 'staging'),
    credentials,
    memoryFolder: join(folder, 'imports'),
    siteId: SiteId.parse('site_0123456789'),
    siteCode: 'ABC',
    clock,
    key: keyring.contentToken,
    randomBytes: (sizeBytes) => randomBytes(sizeBytes),
    log,
    requireDevice: createAdmission({ db, clock }),
    gateways: async () => [],
    clientSettings: async () => ClientSettings.parse({}),
    entitledContents: async () => new Set(),
    isReleased: async () => true,
    release: (target, bytes) =>
      writeFile(join(folder, `released ${target.replaceAll('/', '-')} ${sha256(bytes)}`), bytes),
    onContentsChanged: () => {},
    onPointsChanged: () => {},
    withdraw: async () => {},
    sequencesOf: async () => [],
    deploymentsOf: async () => [],
  })
  if (source !== undefined)
    await library.importPackage({
      id: PackageId.parse('ABC00001'),
      name: 'killed',
      kind: 'package',
      target: 'linux',
      folder: source,
    })
  await library.start()
  process.stdout.write('started\n')
  const unfinished = () => db.selectFrom('jobs').select('id').where('state', 'in', ['waiting', 'running']).execute()
  while ((await unfinished()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  await library.stop()
  await db.destroy()
  process.stdout.write('done\n')
}
