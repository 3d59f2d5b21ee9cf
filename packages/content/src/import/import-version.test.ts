/** A version is what its folder was, byte for byte. */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { chmod, link, mkdir, open, readdir, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ProblemError } from '@sluice/protocol'
import { readManifestRoot } from '../manifest/manifest.ts'
import { openVersion } from '../manifest/version-reader.ts'
import { importWorkshop, sameBytes } from '../testing/import-workshop.ts'
import { seededBytes, seededNumbers } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { walkTree } from './tree.ts'

const MiB = 1024 * 1024

async function listing(folder: string) {
  const found = []
  for (const sighting of walkTree(folder, 'linux')) {
    ok(sighting.kind === 'entry')
    const { entry } = sighting
    if (entry.kind === 'file') found.push({ ...entry, stamp: '' })
    else found.push(entry.kind === 'folder' ? { ...entry, modifiedMs: 0 } : { ...entry, modifiedMs: 0 })
  }
  return found
}

test('a folder of odd things comes back byte for byte', async (t) => {
  const site = await importWorkshop(t)
  const at = (name: string) => join(site.folder, name)
  await mkdir(at('deep/er'), { recursive: true })
  await mkdir(at('empty folder/inner'), { recursive: true })
  await writeFile(at('empty file'), '')
  await writeFile(at('deep/er/one byte'), 'x')
  await writeFile(at('name: with *odd* <characters>\n|and?"a line'), 'odd')
  await writeFile(at('Ünïcødé 日本語 🧩'), 'unicode')
  await writeFile(at('Case'), 'upper')
  await writeFile(at('case'), 'lower')
  await writeFile(at('run.sh'), '#!/bin/sh\n')
  await chmod(at('run.sh'), 0o755)
  await symlink('../somewhere/else', at('deep/link'))
  await symlink('/etc/passwd', at('absolute link'))
  await writeFile(at('big'), seededBytes('big', 9 * MiB + 7))
  await writeFile(at('copy of big'), seededBytes('big', 9 * MiB + 7))
  await writeFile(at('text'), 'compressible '.repeat(100_000))
  for (let i = 0; i < 300; i++) await writeFile(at(`deep/small ${i}`), seededBytes(`small ${i}`, i * 7))

  const imported = await site.import()
  const restored = await site.restore(imported)
  deepEqual(await listing(restored.folder), await listing(site.folder))
  sameBytes(site.folder, restored.folder)
  equal(imported.fileCount, 313)
  equal(restored.frameBytes, imported.storedBytes)
  ok(imported.storedBytes < 10 * MiB, 'the copy costs nothing and the text little')
  deepEqual(await readdir(site.stagingFolder), [])
})

test('what a Debian root is made of comes back for Linux, and is refused for Windows', async (t) => {
  const site = await importWorkshop(t)
  const at = (name: string) => join(site.folder, name)
  for (const folder of ['var/lib/dpkg/info', 'etc/alternatives', 'usr/bin', 'usr/share/perl/Pod', 'usr/share/perl/pod'])
    await mkdir(at(folder), { recursive: true })
  await mkdir(at('tmp'), { mode: 0o1777 })
  for (const [link, target] of [
    ['bin', 'usr/bin'],
    ['etc/alternatives/pager', '/usr/bin/less'],
    ['etc/mtab', '/proc/mounts'],
    ['var/run', '/run'],
  ] as const)
    await symlink(target, at(link))
  for (let i = 0; i < 2_000; i++) {
    const name = at(`var/lib/dpkg/info/library${i >> 1}:amd64.${i % 2 === 0 ? 'list' : 'md5sums'}`)
    await writeFile(name, `/usr/lib/x86_64-linux-gnu/library${i}.so\n`.repeat(i % 7))
  }
  await writeFile(at('usr/share/perl/Pod/Usage.pm'), 'package Pod::Usage;')
  await writeFile(at('usr/share/perl/pod/perl.pod'), '=head1 NAME')
  await writeFile(at('usr/bin/perl'), seededBytes('perl', 3 * MiB), { mode: 0o755 })
  await link(at('usr/bin/perl'), at('usr/bin/perl5.40.1'))
  await writeFile(at('usr/bin/su'), seededBytes('su', 80_000))
  await chmod(at('usr/bin/su'), 0o4755)
  await writeFile(at('usr/bin/['), seededBytes('[', 50_000), { mode: 0o755 })

  const refused = await site.run({ target: 'windows' })
  ok(!refused.ok && refused.problem.code === 'CONTENT_NOT_SAFE')
  ok(refused.problem.detail.includes('library0:amd64.list'))

  const imported = await site.import()
  const { folder } = await site.restore(imported)
  deepEqual(await listing(folder), await listing(site.folder))
  sameBytes(site.folder, folder)
  ok(imported.storedBytes < 3.5 * MiB, 'the second name of a file costs nothing')
  deepEqual(imported.losses, [
    'hard link (carried as a file of its own): 2 entries, usr/bin/perl, usr/bin/perl5.40.1',
    'setuid or setgid bit: 1 entry, usr/bin/su',
  ])
})

test('holes are neither stored nor filled on the way back', async (t) => {
  const site = await importWorkshop(t)
  const path = join(site.folder, 'disk.img')
  await writeFile(path, 'begin')
  await truncate(path, 40 * MiB)
  const file = await open(path, 'r+')
  await file.write('middle', 20 * MiB + 3)
  await file.close()

  const imported = await site.import()
  ok(imported.storedBytes < 10_000, `${imported.storedBytes} bytes stored`)
  const restored = await site.restore(imported)
  sameBytes(site.folder, restored.folder)
  ok((await stat(join(restored.folder, 'disk.img'))).blocks * 512 < 5 * MiB)
})

test('a frame has chunks of one page only, so that a device that fetches page by page fetches it once', async (t) => {
  const site = await importWorkshop(t)
  for (let i = 0; i < 700; i++)
    await writeFile(join(site.folder, `file ${String(i).padStart(4, '0')}`), seededBytes(`file ${i}`, 2000))
  const imported = await site.import()
  const { contentId, root, layout } = imported
  const { store, packageKey } = site
  const reader = await openVersion({ store, packageKey }, { contentId, root, layout })
  const pages = [...reader.layout.root.pages.keys()]
  const pageOf = new Map<string, number>()
  for (const number of pages)
    for (const { pack, frameOffset } of await reader.locations(number, await reader.page(number))) {
      const frame = `${pack} ${frameOffset}`
      equal(pageOf.get(frame) ?? number, number)
      pageOf.set(frame, number)
    }
  ok(pages.length > 1 && pageOf.size >= pages.length && pageOf.size < 2 * pages.length + 4, `${pageOf.size} frames`)
})

test('packs are closed before 64 MiB, and what crosses their border comes back', async (t) => {
  const site = await importWorkshop(t)
  await writeFile(join(site.folder, 'big'), seededBytes('packs', 7 * MiB))
  const imported = await site.import({ maxPackBytes: 2 * MiB })
  const packs = imported.objects.filter((object) => object.kind === 'pack')
  ok(packs.length >= 4)
  for (const pack of packs) ok(pack.sizeBytes <= 2 * MiB)
  sameBytes(site.folder, (await site.restore(imported)).folder)
})

test('a byte that is changed in any object keeps the version from being restored', async (t) => {
  const site = await importWorkshop(t)
  for (let i = 0; i < 30; i++) await writeFile(join(site.folder, `file ${i}`), seededBytes(`flip ${i}`, 2000))
  const imported = await site.import()
  const number = seededNumbers('flips')
  let flips = 0
  for (const { kind, hash, sizeBytes } of imported.objects) {
    const path = join(site.root, 'store', `${kind}s`, hash.slice(0, 2), hash)
    const file = await open(path, 'r+')
    for (let i = 0; i < 20; i++) {
      // The header of a pack says what it is and is not part of any frame.
      const at = kind === 'pack' ? 16 + number(sizeBytes - 16) : number(sizeBytes)
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at)
      const flip = () => file.write(Buffer.from([(buffer[0] ?? 0) ^ (1 << (i % 8))]), 0, 1, at)
      await flip()
      const refused = (error: unknown) =>
        error instanceof ProblemError &&
        error.problem.code === (kind === 'pack' ? 'CONTENT_CORRUPT' : 'MANIFEST_REFUSED')
      await rejects(site.restore(imported), refused, `${kind}, byte ${at}`)
      await file.write(buffer, 0, 1, at)
      flips++
    }
    await file.close()
  }
  equal(flips, 20 * imported.objects.length)
  sameBytes(site.folder, (await site.restore(imported)).folder)
})

test('an import that is aborted leaves no half pack', async (t) => {
  const site = await importWorkshop(t)
  await writeFile(join(site.folder, 'big'), seededBytes('abort', 12 * MiB))
  const abort = new AbortController()
  const onProgress = ({ doneBytes }: { doneBytes: number }) => {
    if (doneBytes > 8 * MiB) abort.abort(new Error('enough'))
  }
  await rejects(site.run({ signal: abort.signal, onProgress }), /enough/)
  deepEqual(await readdir(site.stagingFolder), [])
  equal(site.index.stored(), 0)
})

test('metadata stays within its bounds', async (t) => {
  const site = await importWorkshop(t)
  const at = (name: string) => join(site.folder, name)
  const number = seededNumbers('metadata')
  await mkdir(at('driver'))
  await writeFile(at('driver/driver.bin'), seededBytes('driver', 16 * MiB))
  await writeFile(at('driver/driver.inf'), seededBytes('inf', 3000))
  const driver = await site.import({ folder: at('driver') })
  const read = await site.restore(driver)
  ok(read.metadataBytes <= driver.storedBytes * 0.01, `${read.metadataBytes} of ${driver.storedBytes}`)

  await mkdir(at('many'))
  for (let i = 0; i < 1000; i++)
    await writeFile(at(`many/${number(2 ** 40).toString(36)}-name-of-a-file-${i}.txt`), seededBytes(`many ${i}`, 900))
  const many = await site.import()
  const { metadataBytes } = await site.restore(many)
  const { chunkCount } = value(readManifestRoot(many.root, many.contentId))
  const bound = 100 * many.fileCount + 60 * chunkCount
  ok(metadataBytes <= bound, `${metadataBytes} bytes of metadata, ${bound} allowed`)
  t.diagnostic(`driver ${read.metadataBytes} B; ${many.fileCount} files ${metadataBytes} B of ${bound} B`)
})
