import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ContentTarget, type PackageId, ProblemError } from '@sluice/protocol'
import { readManifestRoot } from '../manifest/manifest.ts'
import { openVersion } from '../manifest/version-reader.ts'
import { openFolderStore } from '../stores/folder-store.ts'
import { createMemoryIndex } from '../testing/memory-index.ts'
import { restore } from '../testing/restore.ts'
import { seededBytes, seededNumbers } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { type ImportOptions, importVersion } from './import-version.ts'
import { walkTree } from './tree.ts'

const MiB = 1024 * 1024

/** A library and a folder to fill; `import` makes the next version of package ABC00001. */
async function workshop(t: TestContext, target: ContentTarget = 'linux') {
  const root = await mkdtemp(join(tmpdir(), 'sluice-import-'))
  t.after(() => rm(root, { recursive: true }))
  const folder = join(root, 'folder')
  const stagingFolder = join(root, 'staging')
  for (const each of [folder, stagingFolder]) await mkdir(each)
  const store = await openFolderStore(join(root, 'store'))
  const index = createMemoryIndex()
  const packageKey = seededBytes('package key', 32)
  let salts = 0
  let version = 0
  const run = (more: Partial<ImportOptions> = {}) =>
    importVersion({
      folder,
      packageId: 'ABC00001' as PackageId,
      version: ++version,
      target,
      packageKey,
      index,
      store,
      stagingFolder,
      randomBytes: (size) => seededBytes(`salt ${salts++}`, size),
      ...more,
    })
  return {
    root,
    folder,
    stagingFolder,
    store,
    index,
    packageKey,
    run,
    import: async (more?: Partial<ImportOptions>) => value(await run(more)),
    async restore(imported: { contentId: never; root: Uint8Array; layout: { hash: never } } | object) {
      const from = imported as Awaited<ReturnType<typeof this.import>>
      const to = await mkdtemp(join(root, 'restored-'))
      const read = await restore({
        store,
        contentId: from.contentId,
        root: from.root,
        layout: from.layout.hash,
        packageKey,
        folder: to,
      })
      return { folder: to, ...read }
    },
  }
}

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

const sameBytes = (a: string, b: string) => execFileSync('diff', ['-r', '--no-dereference', a, b])

test('a folder of odd things comes back byte for byte', async (t) => {
  const site = await workshop(t)
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
  const site = await workshop(t)
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
  const site = await workshop(t)
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

test('the next version stores what is new and shares every page that did not change', async (t) => {
  const site = await workshop(t)
  for (let i = 0; i < 700; i++)
    await writeFile(join(site.folder, `file ${String(i).padStart(4, '0')}`), seededBytes(`file ${i}`, 2000))
  const first = await site.import()
  const same = await site.import()
  equal(same.addedBytes, 0)
  deepEqual(
    same.objects.filter((object) => object.hash !== same.layout.hash),
    first.objects.filter((object) => object.hash !== first.layout.hash),
    'only the layout root differs: it names the version',
  )

  await writeFile(join(site.folder, 'file 0300'), seededBytes('changed', 50_000))
  await writeFile(join(site.folder, 'added'), seededBytes('added', 30_000))
  const next = await site.import()
  ok(next.addedBytes > 80_000 && next.addedBytes < 81_000, `${next.addedBytes} bytes added`)
  const known = new Set(first.objects.map((object) => object.hash))
  const fresh = next.objects.filter((object) => !known.has(object.hash))
  // One pack, the layout root, and manifest and layout of the pages around the two changes.
  ok(
    fresh.length <= 8 && next.objects.length > fresh.length,
    `${fresh.length} of ${next.objects.length} objects are new`,
  )
  sameBytes(site.folder, (await site.restore(next)).folder)
})

test('a frame has chunks of one page only, so that a device that fetches page by page fetches it once', async (t) => {
  const site = await workshop(t)
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
  const site = await workshop(t)
  await writeFile(join(site.folder, 'big'), seededBytes('packs', 7 * MiB))
  const imported = await site.import({ maxPackBytes: 2 * MiB })
  const packs = imported.objects.filter((object) => object.kind === 'pack')
  ok(packs.length >= 4)
  for (const pack of packs) ok(pack.sizeBytes <= 2 * MiB)
  sameBytes(site.folder, (await site.restore(imported)).folder)
})

test('chunks of a pack that the version hardly uses are stored again', async (t) => {
  const site = await workshop(t)
  const piece = (name: string, sizeBytes: number) => writeFile(join(site.folder, name), seededBytes(name, sizeBytes))
  await piece('wanted', 2 * MiB)
  await piece('other', 10 * MiB)
  const first = await site.import()
  await rm(join(site.folder, 'other'))
  await piece('new', MiB)
  const second = await site.import()
  const packsOf = (version: typeof first) => version.objects.filter((object) => object.kind === 'pack')
  ok(packsOf(second).every((pack) => !packsOf(first).some((old) => old.hash === pack.hash)))
  ok(second.addedBytes > 3 * MiB && second.addedBytes < 3.1 * MiB)
  sameBytes(site.folder, (await site.restore(second)).folder)

  const stored = site.index.stored()
  await site.import()
  equal(site.index.stored(), stored, 'the copies are used from now on')
})

test('what the target cannot hold is refused before anything is stored', async (t) => {
  const site = await workshop(t, 'windows')
  const bad = ['CON', 'nul.txt', 'com1', 'a:b', 'what?', 'trailing.', 'trailing ', 'tab\t', 'back\\slash']
  for (const name of [...bad, 'Readme', 'README', 'A\u030angstrom', 'fine'])
    await writeFile(join(site.folder, name), 'x')
  const refused = await site.run()
  ok(!refused.ok)
  equal(refused.problem.code, 'CONTENT_NOT_SAFE')
  for (const name of bad) ok(refused.problem.detail.includes(JSON.stringify(name)), `${name} is listed`)
  ok(/the same file as "(Readme|README)"/.test(refused.problem.detail))
  ok(refused.problem.detail.includes('not in Unicode normal form C'))
  ok(!refused.problem.detail.includes('"fine"'))
  deepEqual(await readdir(join(site.root, 'store', 'packs')), [])

  const linux = await site.import({ target: 'linux' })
  equal(linux.fileCount, bad.length + 4)
})

test('paths that many programs on Windows cannot open are listed, or refused where that is wanted', async (t) => {
  const site = await workshop(t)
  const deep = `${'driver store/'.repeat(11)}x.inf`
  await mkdir(join(site.folder, dirname(deep)), { recursive: true })
  await writeFile(join(site.folder, deep), 'x')
  await writeFile(join(site.folder, 'short.inf'), 'y')
  const lossesFor = async (target: 'windows' | 'linux' | 'any') => {
    const imported = await site.run({ target })
    return imported.ok ? imported.value.losses : imported.problem.detail
  }
  deepEqual(await lossesFor('windows'), [
    `a path that is longer than 260 characters with the 120 of the cache folder: 1 entry, ${deep}`,
  ])
  deepEqual([await lossesFor('linux'), await lossesFor('any')], [[], []])
  const refused = await site.run({ target: 'windows', refuseLongPaths: true })
  ok(!refused.ok && refused.problem.code === 'CONTENT_NOT_SAFE' && refused.problem.detail.includes(deep))
})

test('what is no file, folder or symlink is refused', async (t) => {
  const site = await workshop(t)
  execFileSync('mkfifo', [join(site.folder, 'pipe')])
  const server = createServer().listen(join(site.folder, 'socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  await writeFile(Buffer.concat([Buffer.from(`${site.folder}/`), Buffer.from([0x66, 0xff])]), 'not UTF-8')
  const refused = await site.run()
  server.close()
  ok(!refused.ok)
  equal(refused.problem.code, 'CONTENT_NOT_SAFE')
  for (const reason of ['"pipe": a named pipe', '"socket": a socket', 'not valid Unicode'])
    ok(refused.problem.detail.includes(reason), refused.problem.detail)
})

test('what is not carried is listed', async (t) => {
  const site = await workshop(t)
  await writeFile(join(site.folder, 'one'), 'x')
  await link(join(site.folder, 'one'), join(site.folder, 'two'))
  await writeFile(join(site.folder, 'suid'), 'x')
  await chmod(join(site.folder, 'suid'), 0o4755)
  const imported = await site.import()
  deepEqual(imported.losses, [
    'hard link (carried as a file of its own): 2 entries, one, two',
    'setuid or setgid bit: 1 entry, suid',
  ])
  equal((await stat(join((await site.restore(imported)).folder, 'suid'))).mode & 0o7777, 0o755)
})

test('a folder that is not there, or is a file, is named', async (t) => {
  const site = await workshop(t)
  await writeFile(join(site.folder, 'file'), 'x')
  for (const folder of [join(site.folder, 'missing'), join(site.folder, 'file')]) {
    const refused = await site.run({ folder })
    ok(!refused.ok)
    equal(refused.problem.code, 'CONTENT_UNREADABLE')
    ok(refused.problem.detail.includes(folder))
  }
})

test('a file that changes while it is read ends the import', async (t) => {
  const site = await workshop(t)
  // More than one thread reads ahead of what is stored: what changes is far behind.
  const names = Array.from({ length: 10 }, (_, i) => `file ${i}`)
  const write = () => Promise.all(names.map((name) => writeFile(join(site.folder, name), seededBytes(name, 3 * MiB))))
  await write()
  for (const change of [
    () => truncate(join(site.folder, 'file 9'), 5),
    () => rm(join(site.folder, 'file 9')),
    () => writeFile(join(site.folder, 'file 8'), seededBytes('other', 3 * MiB)),
  ]) {
    let todo: Promise<void> | undefined
    const index = {
      ...site.index,
      find: async (ids: Parameters<typeof site.index.find>[0]) => {
        todo ??= change()
        await todo
        return site.index.find(ids)
      },
    }
    const refused = await site.run({ index, handCount: 1 })
    ok(!refused.ok)
    equal(refused.problem.code, 'CONTENT_CHANGED_DURING_IMPORT')
    await write()
  }
  deepEqual(await readdir(site.stagingFolder), [])
})

test('what nobody touched is not read again, unless everything shall be', async (t) => {
  const site = await workshop(t)
  for (let i = 0; i < 50; i++) await writeFile(join(site.folder, `file ${i}`), seededBytes(`kept ${i}`, 5000))
  await writeFile(join(site.folder, 'large'), seededBytes('large', 5 * MiB))
  const path = join(site.root, 'memory')
  // As if the files had been left alone for a while: what was written just now is never trusted.
  const later = { path, readAll: false, now: () => Date.now() + 10_000 }
  const first = await site.import({ memory: later })
  const bytesRead = () => readFile('/proc/self/io', 'utf8').then((text) => Number(/rchar: (\d+)/.exec(text)?.[1]))
  const before = await bytesRead()
  await writeFile(join(site.folder, 'file 7'), seededBytes('touched', 5000))
  const second = await site.import({ memory: later })
  const read = (await bytesRead()) - before
  ok(read < 4 * MiB, `${read} bytes read: only what was touched, and pages`)
  ok(second.addedBytes > 5000 && second.addedBytes < 6000, `${second.addedBytes} bytes added`)
  sameBytes(site.folder, (await site.restore(second)).folder)

  // Whoever writes into a file changes its stamp, also when size and time of writing are put back.
  const at = join(site.folder, 'file 8')
  const { atime, mtime } = await stat(at)
  await writeFile(at, seededBytes('hidden', 5000))
  await utimes(at, atime, mtime)
  sameBytes(site.folder, (await site.restore(await site.import({ memory: later }))).folder)

  const all = await site.import({ memory: { ...later, readAll: true } })
  equal(all.addedBytes, 0)
  ok((await bytesRead()) - before > 5 * MiB)
  equal(first.fileCount, all.fileCount)
})

test('a memory that is missing, torn or of chunks that are gone costs reading and nothing else', async (t) => {
  const site = await workshop(t)
  for (let i = 0; i < 20; i++) await writeFile(join(site.folder, `file ${i}`), seededBytes(`torn ${i}`, 5000))
  const path = join(site.root, 'memory')
  const later = { path, readAll: false, now: () => Date.now() + 10_000 }
  await site.import({ memory: later })
  await truncate(path, 300)
  sameBytes(site.folder, (await site.restore(await site.import({ memory: later }))).folder)
  const empty = createMemoryIndex()
  const anew = await site.import({ memory: later, index: empty })
  ok(anew.addedBytes > 100_000, 'all of it is stored again')
  sameBytes(site.folder, (await site.restore(anew)).folder)
})

test('a byte that is changed in any object keeps the version from being restored', async (t) => {
  const site = await workshop(t)
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
  const site = await workshop(t)
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
  const site = await workshop(t)
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
