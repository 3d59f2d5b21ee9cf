import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openTufRepository } from '../testing/tuf-repository.ts'
import { conformanceCommand } from './conformance.ts'

type Repository = Awaited<ReturnType<typeof openTufRepository>>

interface Client {
  folder: string
  /** Why the last command failed. */
  said: string[]
  init(): Promise<number>
  refresh(): Promise<number>
  download(name: string): Promise<number>
  /** Version of the metadata that the client trusts. */
  version(role: string): Promise<number>
  downloaded(): Promise<string[]>
}

async function withRepository(body: (repository: Repository, client: Client) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tuf-'))
  const repository = await openTufRepository()
  const metadata = join(folder, 'metadata')
  const targets = join(folder, 'targets')
  const said: string[] = []
  const run = (...args: string[]) =>
    conformanceCommand(['--metadata-dir', metadata, ...args], (line) => said.push(line))
  const remote = ['--metadata-url', repository.metadataUrl]
  try {
    await body(repository, {
      folder,
      said,
      async init() {
        await mkdir(targets)
        await writeFile(join(folder, 'initial.json'), repository.trustedRoot)
        return await run('init', join(folder, 'initial.json'))
      },
      refresh: () => run(...remote, 'refresh'),
      download: (name) =>
        run(
          ...remote,
          '--target-name',
          name,
          '--target-dir',
          targets,
          '--target-base-url',
          repository.targetsUrl,
          'download',
        ),
      async version(role) {
        const document = JSON.parse(await readFile(join(metadata, `${encodeURIComponent(role)}.json`), 'utf8')) as {
          signed: { version: number }
        }
        return document.signed.version
      },
      downloaded: async () =>
        await Promise.all((await readdir(targets)).map((name) => readFile(join(targets, name), 'utf8'))),
    })
  } finally {
    await repository.close()
    await rm(folder, { recursive: true })
  }
}

test('the program works from any folder and through a link, and tells success by its exit code', () =>
  withRepository(async (repository, { folder, downloaded }) => {
    const program = fileURLToPath(new URL('../../bin/tuf-conformance', import.meta.url))
    await symlink(program, join(folder, 'client'))
    await writeFile(join(folder, 'initial.json'), repository.trustedRoot)
    await mkdir(join(folder, 'targets'))
    repository.artifacts['a/tool.txt'] = 'a tool'
    repository.publish()
    const exitCode = (...args: string[]) =>
      new Promise<number>((resolve) => {
        const child = execFile(join(folder, 'client'), ['--metadata-dir', 'metadata', ...args], { cwd: folder })
        child.on('exit', (code) => resolve(code ?? -1))
      })
    const remote = ['--metadata-url', repository.metadataUrl]
    const place = ['--target-dir', 'targets', '--target-base-url', repository.targetsUrl]
    assert.equal(await exitCode('init', 'initial.json'), 0)
    assert.equal(await exitCode(...remote, 'refresh'), 0)
    assert.deepEqual((await readdir(join(folder, 'metadata'))).sort(), [
      'root.json',
      'snapshot.json',
      'targets.json',
      'timestamp.json',
    ])
    assert.equal(await exitCode(...remote, ...place, '--target-name', 'a/tool.txt', 'download'), 0)
    assert.deepEqual(await downloaded(), ['a tool'])
    assert.equal(await exitCode(...remote, ...place, '--target-name', 'another', 'download'), 1)
    assert.equal(await exitCode(...remote, 'reload'), 1)
  }))

test('init asks nobody; refresh takes what is newer, once', () =>
  withRepository(async (repository, client) => {
    assert.equal(await client.init(), 0)
    assert.deepEqual(repository.asked, [])
    assert.equal(await client.refresh(), 0)
    repository.publish()
    assert.equal(await client.refresh(), 0)
    assert.equal(await client.version('targets'), 2)
    repository.asked.length = 0
    assert.equal(await client.refresh(), 0)
    assert.deepEqual(repository.asked, ['/metadata/2.root.json', '/metadata/timestamp.json'])
  }))

test('older metadata is refused: timestamp, snapshot, targets', () =>
  withRepository(async (repository, client) => {
    const { versions } = repository
    await client.init()
    repository.publish()
    assert.equal(await client.refresh(), 0)

    versions.timestamp = 0
    repository.publish() // timestamp 1, below 2
    assert.equal(await client.refresh(), 1)
    assert.equal(await client.version('timestamp'), 2)

    Object.assign(versions, { timestamp: 5, snapshot: 0 })
    repository.publish() // snapshot 1 in timestamp 6
    assert.equal(await client.refresh(), 1)
    assert.equal(await client.version('snapshot'), 2)

    Object.assign(versions, { timestamp: 7, snapshot: 7, targets: 0 })
    repository.publish()
    assert.equal(await client.refresh(), 1)
    assert.equal(await client.version('targets'), 2)
  }))

test('what has expired is refused, in every role', async () => {
  for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const)
    await withRepository(async (repository, client) => {
      await client.init()
      assert.equal(await client.refresh(), 0)
      repository.expiresInDays[role] = -1
      if (role === 'root') repository.publishRoot()
      repository.publish()
      assert.equal(await client.refresh(), 1, role)
      assert.match(client.said.join('\n'), /expired/i, role)
    })
})

test('metadata that the wrong key signed is refused, in every role', async () => {
  for (const role of ['timestamp', 'snapshot', 'targets'] as const)
    await withRepository(async (repository, client) => {
      await client.init()
      assert.equal(await client.refresh(), 0)
      const before = await client.version(role)
      repository.publish({ [role]: repository.newKey() })
      assert.equal(await client.refresh(), 1, role)
      assert.equal(await client.version(role), before)
    })
})

test('a root is followed when the old key and the new one signed it, whichever key changed', () =>
  withRepository(async (repository, client) => {
    const { keys, newKey } = repository
    await client.init()
    for (const role of ['timestamp', 'snapshot', 'targets'] as const) {
      keys[role] = newKey()
      repository.publishRoot()
      repository.publish()
      assert.equal(await client.refresh(), 0, role)
    }
    const { root } = keys
    keys.root = newKey()
    repository.publishRoot(root === undefined ? [] : [root])
    repository.publish()
    assert.equal(await client.refresh(), 0)
    assert.equal(await client.version('root'), 5)

    keys.root = newKey()
    repository.publishRoot() // only the new key signed it
    assert.equal(await client.refresh(), 1)
    assert.equal(await client.version('root'), 5)
  }))

test('a root with a gap in its version is refused', () =>
  withRepository(async (repository, client) => {
    await client.init()
    repository.files.set('/metadata/2.root.json', repository.publishRoot([], 3))
    assert.equal(await client.refresh(), 1)
    assert.equal(await client.version('root'), 1)
  }))

test('new keys for timestamp and snapshot undo versions that an attacker drove up', () =>
  withRepository(async (repository, client) => {
    const { keys, versions, newKey } = repository
    await client.init()
    Object.assign(versions, { timestamp: 99_999, snapshot: 99_999 })
    repository.publish()
    assert.equal(await client.refresh(), 0)
    Object.assign(keys, { timestamp: newKey(), snapshot: newKey() })
    Object.assign(versions, { timestamp: 1, snapshot: 1 })
    repository.publishRoot()
    repository.publish()
    assert.equal(await client.refresh(), 0)
    assert.equal(await client.version('snapshot'), 2)
  }))

test('a new root stays trusted when what comes after it is refused', () =>
  withRepository(async (repository, client) => {
    await client.init()
    assert.equal(await client.refresh(), 0)
    repository.publishRoot()
    repository.publish({ timestamp: repository.newKey() })
    assert.equal(await client.refresh(), 1)
    assert.equal(await client.version('root'), 2)
  }))

test('endless answers are cut, for metadata and for targets', () =>
  withRepository(async (repository, client) => {
    await client.init()
    repository.artifacts.tool = 'a tool'
    repository.publish()
    const timestamp = repository.files.get('/metadata/timestamp.json')
    repository.files.set('/metadata/timestamp.json', 'endless')
    assert.equal(await client.refresh(), 1)
    assert.match(client.said.join('\n'), /timestamp\.json is longer than 16384 bytes/)
    repository.files.set('/metadata/timestamp.json', timestamp ?? 'endless')
    for (const path of repository.files.keys()) if (path.endsWith('.tool')) repository.files.set(path, 'endless')
    assert.equal(await client.download('tool'), 1)
    assert.match(client.said.join('\n'), /longer than 6 bytes/)
    assert.deepEqual(await client.downloaded(), [])
  }))

test('a target is stored only when its bytes are the ones that are signed, and fetched once', () =>
  withRepository(async (repository, client) => {
    await client.init()
    repository.artifacts.tool = 'a tool'
    repository.publish()
    const path = [...repository.files.keys()].find((name) => name.endsWith('.tool')) ?? ''
    repository.files.set(path, Buffer.from('a trap'))
    assert.equal(await client.download('tool'), 1)
    assert.deepEqual(await client.downloaded(), [])
    repository.publish()
    assert.equal(await client.download('tool'), 0)
    assert.deepEqual(await client.downloaded(), ['a tool'])
    repository.asked.length = 0
    assert.equal(await client.download('tool'), 0)
    assert.ok(!repository.asked.includes(path))
    repository.artifacts.tool = 'a better tool'
    repository.publish()
    assert.equal(await client.download('tool'), 0)
    assert.deepEqual(await client.downloaded(), ['a better tool'])
  }))

test('delegations: the one that comes first counts, a terminating one ends the search, names are quoted', () =>
  withRepository(async (repository, client) => {
    await client.init()
    repository.delegations.push(
      { role: 'first', paths: ['x/*'], artifacts: { 'x/a': 'of the first' } },
      { role: '../second', paths: ['x/*'], terminating: true, artifacts: { 'x/a': 'of the second', 'x/b': 'found' } },
      { role: 'third', paths: ['*/*'], artifacts: { 'x/c': 'never asked', 'y/a': 'of the third' } },
    )
    repository.publish()
    assert.equal(await client.download('x/a'), 0)
    assert.equal(await client.download('x/b'), 0)
    assert.equal(await client.download('x/c'), 1)
    assert.ok(!repository.asked.includes('/metadata/2.third.json'))
    assert.equal(await client.download('y/a'), 0)
    assert.deepEqual((await client.downloaded()).sort(), ['found', 'of the first', 'of the third'])
    assert.ok(repository.asked.includes('/metadata/2...%2Fsecond.json'))
    assert.equal(await client.version('../second'), 2)
  }))

test('a delegated list that another key signed is refused', () =>
  withRepository(async (repository, client) => {
    await client.init()
    repository.delegations.push({ role: 'first', paths: ['x/*'], artifacts: { 'x/a': 'of the first' } })
    repository.publish()
    const stolen = repository.files.get('/metadata/2.first.json')
    repository.keys.first = repository.newKey()
    repository.publish()
    assert.equal(await client.download('x/a'), 0)
    // The list of before, under the new version's name: wrong key, wrong version, wrong hash.
    repository.publish()
    if (stolen !== undefined) repository.files.set('/metadata/4.first.json', stolen)
    await rm(join(client.folder, 'targets', encodeURIComponent('x/a')))
    assert.equal(await client.download('x/a'), 1)
    assert.deepEqual(await client.downloaded(), [])
  }))
