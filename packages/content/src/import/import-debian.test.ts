/**
 * The Debian that this machine runs, as a package for `linux`: a part of it, for time. Files that not everybody may
 * read are left where they are.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PackageId } from '@sluice/protocol'
import { openFolderStore } from '../stores/folder-store.ts'
import { createMemoryIndex } from '../testing/memory-index.ts'
import { missing } from '../testing/missing.ts'
import { restore } from '../testing/restore.ts'
import { seededBytes } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { importVersion } from './import-version.ts'

/** With links to elsewhere, names with `:`, names that differ by case, setuid programs, and many small files. */
const FOLDERS = ['etc', 'var/lib/dpkg/info', 'usr/bin', 'usr/share/doc', 'usr/lib']
/** Of each folder. */
const MOST_FILES = 300
const MOST_BYTES = 3 * 1024 * 1024

test('a real Debian comes back for Linux, and what is not carried is listed', async (t) => {
  if (!existsSync('/var/lib/dpkg/info')) return missing(t, 'this system is no Debian')
  const root = await mkdtemp(join(tmpdir(), 'sluice-debian-'))
  t.after(() => rm(root, { recursive: true }))
  const folder = join(root, 'debian')
  const restored = join(root, 'restored')
  const stagingFolder = join(root, 'staging')
  for (const each of [folder, stagingFolder]) await mkdir(each)
  const paths = FOLDERS.flatMap(somePaths)
  // `--parents` with paths that begin at the root, hard links and setuid bits as they are.
  execFileSync('cp', ['--archive', '--parents', ...paths, folder], { cwd: '/' })
  const wanted = listing(folder)
  ok(wanted.length > 500 && wanted.some(({ name }) => name.includes(':')), `${wanted.length} entries`)
  ok(
    wanted.some(({ target }) => target.startsWith('/')),
    'an absolute link',
  )
  ok(wanted.some(({ setuid }) => setuid))

  const store = await openFolderStore(join(root, 'store'))
  const packageKey = seededBytes('package key', 32)
  let salts = 0
  const imported = value(
    await importVersion({
      ...{ folder, packageId: 'ABC00001' as PackageId, version: 1, target: 'linux', packageKey, store, stagingFolder },
      index: createMemoryIndex(),
      randomBytes: (size) => seededBytes(`salt ${salts++}`, size),
    }),
  )
  const { contentId, root: manifest } = imported
  await restore({ store, contentId, root: manifest, layout: imported.layout.hash, packageKey, folder: restored })

  // Nobody is told of folders but of empty ones; the rest has its name, kind, bytes, time and executable bit.
  const carried = ({ setuid: _, linked: __, ...entry }: Entry) => entry
  deepEqual(listing(restored).map(carried), wanted.map(carried))
  execFileSync('diff', ['-r', '--no-dereference', folder, restored])
  const lost = (what: string) =>
    Number(imported.losses.find((one) => one.startsWith(what))?.match(/: (\d+) entr/)?.[1] ?? 0)
  equal(lost('setuid or setgid bit'), wanted.filter(({ setuid }) => setuid).length)
  equal(lost('hard link'), wanted.filter(({ linked }) => linked).length)
  ok(listing(restored).every(({ setuid, linked }) => !setuid && !linked))
})

interface Entry {
  name: string
  target: string
  sizeBytes: number
  executable: boolean
  modifiedMs: number
  setuid: boolean
  linked: boolean
}

/** Files and links below a folder of this system, without its leading slash. */
function somePaths(folder: string): string[] {
  const found: string[] = []
  let bytes = 0
  const walk = (at: string): void => {
    for (const entry of readdirSync(join('/', at), { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const path = join(at, entry.name)
      if (found.length >= MOST_FILES) return
      const { mode, size } = lstatSync(join('/', path))
      if ((mode & 0o4) === 0 && !entry.isSymbolicLink()) continue
      if (entry.isDirectory() && (mode & 0o1) !== 0) walk(path)
      const setuid = (mode & 0o6000) !== 0
      const fits = entry.isSymbolicLink() || (entry.isFile() && (setuid || bytes + size <= MOST_BYTES))
      if (!fits) continue
      bytes += entry.isFile() ? size : 0
      found.push(path)
    }
  }
  walk(folder)
  return found
}

function listing(root: string): Entry[] {
  const found: Entry[] = []
  const walk = (at: string): void => {
    for (const { name } of readdirSync(join(root, at), { withFileTypes: true })) {
      const path = join(at, name)
      const facts = lstatSync(join(root, path))
      if (facts.isDirectory()) {
        walk(path)
        continue
      }
      const target = facts.isSymbolicLink() ? readlinkSync(join(root, path)) : ''
      const file = facts.isFile()
      found.push({
        ...{ name: path, target, sizeBytes: file ? facts.size : 0, executable: file && (facts.mode & 0o100) !== 0 },
        // Of a link nobody keeps the time.
        modifiedMs: file ? Math.floor(facts.mtimeMs) : 0,
        ...{ setuid: file && (facts.mode & 0o6000) !== 0, linked: file && facts.nlink > 1 },
      })
    }
  }
  walk('')
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}
