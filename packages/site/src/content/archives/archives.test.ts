/** Archives made by the programs that people use come in as the folder they were made of. */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, link, mkdir, open, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { importWorkshop, sameBytes, seededBytes } from '@sluice/content/testing'
import type { ContentTarget } from '@sluice/protocol'
import { missing } from '../../testing/missing.ts'
import { archiveSource } from './open-archive.ts'
import { writeZip } from './testing/zip.ts'

const MiB = 1024 * 1024

/** A workshop whose folder holds what an archive is made of. */
async function workshop(t: TestContext, target: ContentTarget = 'linux') {
  const site = await importWorkshop(t, target)
  const run = (path: string) => site.run({ folder: archiveSource(path), handCount: 1 })
  return {
    at: (name: string) => join(site.root, name),
    run,
    /** Imports an archive and compares it with a folder, by default the one it was made of. */
    async same(path: string, folder = site.folder) {
      const imported = await run(path)
      if (!imported.ok) throw new Error(imported.problem.detail)
      const { folder: restored } = await site.restore(imported.value)
      sameBytes(folder, restored)
      deepEqual(await readdir(site.stagingFolder), [])
      return { ...imported.value, folder: restored }
    },
    async refused(path: string) {
      const result = await run(path)
      if (result.ok) throw new Error('it was imported')
      return result.problem
    },
  }
}

/** What every format can hold. */
async function fill(folder: string): Promise<void> {
  await mkdir(join(folder, 'deep/er/still'), { recursive: true })
  await mkdir(join(folder, 'empty'))
  await writeFile(join(folder, 'nothing'), '')
  await writeFile(join(folder, 'Ünïcødé and a long name that no old format holds.text'), 'unicode')
  await writeFile(join(folder, 'deep/er/still/large'), seededBytes('large', 5 * MiB + 3))
  await writeFile(join(folder, 'text'), 'compressible '.repeat(50_000))
  for (let i = 0; i < 60; i++) await writeFile(join(folder, `deep/small ${i}`), seededBytes(`small ${i}`, i * 31))
}

/** What only systems like Unix hold. */
async function fillUnix(folder: string): Promise<void> {
  await fill(folder)
  await writeFile(join(folder, 'run.sh'), '#!/bin/sh\n')
  await chmod(join(folder, 'run.sh'), 0o755)
  await symlink('../somewhere/else', join(folder, 'deep/link'))
  await symlink('/etc/passwd', join(folder, 'absolute'))
  await writeFile(join(folder, `${'long '.repeat(40)}end`), 'a name of more than 100 bytes')
}

const pack = (words: readonly string[], cwd: string) =>
  execFileSync(words[0] ?? '', words.slice(1), { cwd, stdio: 'pipe' })

test('tar archives, plain and compressed', { skip: missing('tar', 'zstd', 'xz') }, async (t) => {
  const site = await workshop(t)
  await fillUnix(site.at('folder'))
  await link(join(site.at('folder'), 'text'), join(site.at('folder'), 'zz text again'))
  for (const [name, ...options] of [
    ['pax.tar', '--format=pax'],
    ['gnu.tar', '--format=gnu'],
    ['x.tar.gz', '--gzip'],
    ['x.tar.zst', '--zstd'],
    ['x.tar.xz', '--xz'],
  ] as const) {
    pack(['tar', ...options, '-cf', site.at(name), '-C', site.at('folder'), '.'], site.at('.'))
    const imported = await site.same(site.at(name))
    ok(
      imported.losses.some((loss) => loss.startsWith('hard link (carried as a file of its own): 1 entry')),
      name,
    )
  }
})

test('the same files cost nothing again, whatever they came in', { skip: missing('tar', 'zstd') }, async (t) => {
  const site = await workshop(t)
  await fillUnix(site.at('folder'))
  pack(['tar', '-cf', site.at('a.tar'), '-C', site.at('folder'), '.'], site.at('.'))
  pack(['tar', '--zstd', '-cf', site.at('a.tar.zst'), '-C', site.at('folder'), '.'], site.at('.'))
  const first = await site.same(site.at('a.tar'))
  const second = await site.same(site.at('a.tar.zst'))
  ok(first.addedBytes > 5 * MiB)
  equal(second.addedBytes, 0)
})

test('zip archives, also those of 64 bits', { skip: missing('python3') }, async (t) => {
  const site = await workshop(t)
  await fill(site.at('folder'))
  const script = `
import zipfile, os, sys
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:
    for base, folders, files in os.walk('.'):
        for name in folders + files:
            path = os.path.join(base, name)
            if os.path.isdir(path): z.write(path); continue
            with open(path, 'rb') as f, z.open(zipfile.ZipInfo.from_file(path), 'w', force_zip64=True) as out: out.write(f.read())
`
  pack(['python3', '-c', script, site.at('a.zip')], site.at('folder'))
  await site.same(site.at('a.zip'))
})

test('a zip archive that was changed, is encrypted, overlaps or expands without measure is refused', async (t) => {
  const site = await workshop(t)
  const path = site.at('a.zip')
  await writeFile(path, writeZip([{ name: 'file', plain: seededBytes('zip', 10_000) }]))
  await writeFile(join(site.at('folder'), 'file'), seededBytes('zip', 10_000))
  await site.same(path)

  const file = await open(path, 'r+')
  await file.write(Buffer.from([1, 2, 3]), 0, 3, 5000)
  await file.close()
  equal((await site.refused(path)).code, 'CONTENT_UNREADABLE')
  await truncate(path, 6000)
  equal((await site.refused(path)).code, 'CONTENT_UNREADABLE')

  await writeFile(path, writeZip([{ name: 'secret', plain: Buffer.from('x'), flags: 1 }]))
  match((await site.refused(path)).detail, /"secret": encrypted/)

  // One body, claimed by a thousand entries.
  const body = { plain: Buffer.alloc(20 * MiB), packed: deflateRawSync(Buffer.alloc(20 * MiB)) }
  await writeFile(
    path,
    writeZip(Array.from({ length: 1000 }, (_, i) => ({ name: `${i}`, ...body, sharedBody: i > 0 }))),
  )
  equal((await site.refused(path)).code, 'CONTENT_TOO_LARGE')

  // Says that it is 100 bytes and is 20 MiB.
  await writeFile(path, writeZip([{ name: 'bomb', ...body, claimedBytes: 100 }]))
  equal((await site.refused(path)).code, 'CONTENT_UNREADABLE')
})

test('paths that lead out, names twice and files below files are refused with their path', async (t) => {
  const site = await workshop(t, 'windows')
  const path = site.at('a.zip')
  const names = [
    '../out',
    '/absolute',
    'a/../../b',
    'CON/x',
    'Readme',
    'README',
    'twice',
    'twice',
    'file',
    'file/below',
    'Dir/a',
    'dir/b',
    'C:\\x',
    'fine',
  ]
  await writeFile(path, writeZip(names.map((name) => ({ name, plain: Buffer.from('x') }))))
  const { code, detail } = await site.refused(path)
  equal(code, 'CONTENT_NOT_SAFE')
  for (const expected of [
    /"\.\.\/out": a path that leads out of its folder/,
    /"\/absolute": an absolute path/,
    /"a\/\.\.\/\.\.\/b": a path that leads out of its folder/,
    /"CON\/x": a name that Windows reserves/,
    /"README": the same file as "Readme" on Windows/,
    /"twice": twice in the archive/,
    /"file\/below": below "file", which is no folder/,
    /"dir\/b": the same file as "Dir" on Windows/,
    /"C:\/x": a character that Windows forbids/,
  ])
    match(detail, expected)
  ok(!detail.includes('"fine"'))
})

test('an archive that is cut off, damaged or another thing is refused in words, also where it is cut between two files', {
  skip: missing('tar', 'zstd'),
}, async (t) => {
  const site = await workshop(t)
  const said = async (name: string, bytes: Uint8Array) => {
    await writeFile(site.at(name), bytes)
    return (await site.refused(site.at(name))).detail.replace(`${site.at(name)}: `, '')
  }
  await writeFile(join(site.at('folder'), 'a'), seededBytes('a', 300_000))
  const tar = execFileSync('tar', ['-c', '-C', site.at('folder'), 'a'])
  const text = Buffer.from('not an archive\n')
  const half = (bytes: Uint8Array) => bytes.subarray(0, bytes.length / 2)
  const damaged = (bytes: Uint8Array) => Buffer.from(bytes).fill(0x55, 100_000, 100_100)
  const zstd = zstdCompressSync(tar, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })

  // A header, 300,000 bytes in whole blocks, and what says that nothing follows.
  equal(await said('a.tar', tar.subarray(0, 512 + 586 * 512)), 'the archive is cut off: it ends without its end mark.')
  equal(await said('b.tar', new Uint8Array(0)), 'the archive is cut off: it ends without its end mark.')
  equal(await said('a.zip', text), 'it is no zip archive, or it is cut off.')
  equal(await said('a.tar.gz', half(gzipSync(tar))), 'it is cut off.')
  equal(await said('b.tar.gz', text), 'it is not compressed as its name says.')
  equal(await said('a.tar.zst', half(zstd)), 'it is cut off.')
  equal(await said('b.tar.zst', text), 'it is not compressed as its name says.')
  equal(await said('c.tar.zst', damaged(zstd)), 'its compressed bytes are damaged.')
})

test('images of discs: Rock Ridge, Joliet, and UDF beside them', {
  skip: missing('genisoimage', 'xorriso'),
}, async (t) => {
  const site = await workshop(t)
  await fillUnix(site.at('folder'))
  await mkdir(site.at('plain'))
  await fill(site.at('plain'))
  pack(['genisoimage', '-quiet', '-R', '-o', site.at('rock.iso'), site.at('folder')], site.at('.'))
  pack(
    ['genisoimage', '-quiet', '-R', '-J', '-joliet-long', '-o', site.at('both.iso'), site.at('folder')],
    site.at('.'),
  )
  pack(['xorriso', '-as', 'mkisofs', '-quiet', '-R', '-o', site.at('xorriso.iso'), site.at('folder')], site.at('.'))
  for (const name of ['rock.iso', 'both.iso', 'xorriso.iso']) {
    const { folder } = await site.same(site.at(name))
    equal((await readFile(join(folder, 'run.sh'), 'utf8')).length, 10)
    execFileSync('test', ['-x', join(folder, 'run.sh')])
  }
  for (const [name, ...options] of [
    ['joliet.iso', '-J', '-joliet-long'],
    ['udf.iso', '-udf', '-allow-limited-size'],
  ] as const) {
    pack(
      ['genisoimage', '-quiet', '-input-charset', 'utf-8', ...options, '-o', site.at(name), site.at('plain')],
      site.at('.'),
    )
    await site.same(site.at(name), site.at('plain'))
  }
})

test('an image as mkudffs makes it, without ISO 9660', { skip: missing('mkudffs') }, async (t) => {
  const site = await workshop(t)
  await writeFile(site.at('empty.iso'), '')
  await truncate(site.at('empty.iso'), 8 * MiB)
  for (const blockBytes of ['512', '2048']) {
    pack(['mkudffs', '--utf8', `--blocksize=${blockBytes}`, '--media-type=hd', site.at('empty.iso')], site.at('.'))
    const imported = await site.run(site.at('empty.iso'))
    ok(imported.ok, imported.ok ? '' : imported.problem.detail)
    equal(imported.value.totalBytes, 0)
  }
})

test('folders that lie deeper than ISO 9660 allows are found where they belong', {
  skip: missing('genisoimage'),
}, async (t) => {
  const site = await workshop(t)
  await mkdir(join(site.at('folder'), '1/2/3/4/5/6/7/8/9/10'), { recursive: true })
  await writeFile(join(site.at('folder'), '1/2/3/4/5/6/7/8/9/10/file'), 'deep')
  pack(['genisoimage', '-quiet', '-R', '-o', site.at('deep.iso'), site.at('folder')], site.at('.'))
  const restored = await site.run(site.at('deep.iso'))
  ok(restored.ok, restored.ok ? '' : restored.problem.detail)
  await rm(join(site.at('folder'), 'rr_moved'), { recursive: true, force: true })
  await mkdir(join(site.at('folder'), 'rr_moved'))
  await site.same(site.at('deep.iso'))
})

test('an image that is cut short or damaged is unreadable, never a surprise', {
  skip: missing('genisoimage'),
}, async (t) => {
  const site = await workshop(t)
  await fill(site.at('folder'))
  for (const options of [['-R'], ['-J', '-joliet-long'], ['-udf', '-allow-limited-size']]) {
    const path = site.at('a.iso')
    pack(['genisoimage', '-quiet', ...options, '-o', path, site.at('folder')], site.at('.'))
    const whole = await readFile(path)
    for (let round = 0; round < 10; round++) {
      const bytes = Buffer.from(whole)
      // Structures are at the beginning; the last bytes are of files.
      const noise = seededBytes(`${options} ${round}`, 64)
      for (let i = 0; i < 8; i++) bytes[32_768 + (noise.readUInt32LE(i * 4) % 600_000)] = noise[40 + i] ?? 0
      await writeFile(path, round % 5 === 0 ? bytes.subarray(0, 40_000 + round * 20_000) : bytes)
      const result = await site.run(path)
      const expected = ['CONTENT_UNREADABLE', 'CONTENT_NOT_SAFE', 'CONTENT_TOO_LARGE']
      ok(result.ok || expected.includes(result.problem.code), result.ok ? '' : result.problem.detail)
    }
  }
})

test('what is none of these is refused by its name', async (t) => {
  const site = await workshop(t)
  await writeFile(site.at('a.rar'), 'x')
  match((await site.refused(site.at('a.rar'))).detail, /neither a folder nor \.zip/)
  for (const name of ['a.zip', 'a.iso', 'a.tar', 'a.tar.gz', 'a.tar.zst', 'a.tar.xz']) {
    await writeFile(site.at(name), seededBytes(name, 3000))
    equal((await site.refused(site.at(name))).code, 'CONTENT_UNREADABLE', name)
    equal((await site.refused(site.at(`no-${name}`))).code, 'CONTENT_UNREADABLE', name)
  }
})

test('an archive takes no more memory than an import gives, whatever it asks for', {
  skip: missing('tar', 'zstd', 'xz'),
}, async (t) => {
  const site = await workshop(t)
  await writeFile(join(site.at('folder'), 'random'), seededBytes('random', 200_000))
  const tar = execFileSync('tar', ['-c', '-C', site.at('folder'), '.'])
  // Of an unknown length, or the window would be no larger than what is in it.
  const pack = async (command: string, options: string[]) =>
    writeFile(site.at(`a.tar.${command === 'xz' ? 'xz' : 'zst'}`), execFileSync(command, options, { input: tar }))
  const refusedBy = async (name: string) => {
    const { code, detail } = await site.refused(site.at(name))
    return [code, detail.replace(`${site.at(name)}: `, '')]
  }
  await pack('xz', ['--lzma2=preset=0,dict=96MiB'])
  deepEqual(await refusedBy('a.tar.xz'), ['ARCHIVE_NEEDS_MEMORY', 'its dictionary is larger than 64 MiB.'])
  await pack('zstd', ['--long=28'])
  deepEqual(await refusedBy('a.tar.zst'), ['ARCHIVE_NEEDS_MEMORY', 'its window is larger than 128 MiB.'])

  await pack('xz', ['--lzma2=preset=0,dict=64MiB'])
  await site.same(site.at('a.tar.xz'))
  await truncate(site.at('a.tar.xz'), 10_000)
  deepEqual(await refusedBy('a.tar.xz'), ['CONTENT_UNREADABLE', 'it is damaged or cut short.'])
})
