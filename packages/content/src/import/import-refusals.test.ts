/** What an import refuses, and what it lists because no version can carry it. */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, link, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { importWorkshop } from '../testing/import-workshop.ts'
import { seededBytes } from '../testing/seeded-bytes.ts'

const MiB = 1024 * 1024

test('what the target cannot hold is refused before anything is stored', async (t) => {
  const site = await importWorkshop(t, 'windows')
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
  const site = await importWorkshop(t)
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
  const site = await importWorkshop(t)
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
  const site = await importWorkshop(t)
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
  const site = await importWorkshop(t)
  await writeFile(join(site.folder, 'file'), 'x')
  for (const folder of [join(site.folder, 'missing'), join(site.folder, 'file')]) {
    const refused = await site.run({ folder })
    ok(!refused.ok)
    equal(refused.problem.code, 'CONTENT_UNREADABLE')
    ok(refused.problem.detail.includes(folder))
  }
})

test('a file that changes while it is read ends the import', async (t) => {
  const site = await importWorkshop(t)
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
