/** Where there is neither dpkg nor namespaces: a system made of files, on a device that is a plain process. */
import assert from 'node:assert/strict'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startDemo } from '../demo/demo.ts'
import { openDemoFolder } from '../demo/demo-folder.ts'
import { runOnce } from '../demo/run-once.ts'
import { filesOs } from '../demo/system.ts'
import { linePorts } from '../ports.ts'

test('the portable demo says what it is, upgrades, and restarts', async () => {
  await using resources = new AsyncDisposableStack()
  const path = await mkdtemp(join(tmpdir(), 'sluice-portable-'))
  resources.defer(() => rm(path, { recursive: true, force: true }))
  const said: string[] = []
  const demo = await startDemo({
    folder: await openDemoFolder(path, { fresh: true, neededBytes: 1 }),
    ports: await linePorts(0),
    system: filesOs,
    resources,
    log: (line) => said.push(line),
    isolated: false,
  })
  assert.match(said[0] ?? '', /no dpkg and apt: the demo upgrades a portable MiniOS that is made of files/)
  const report = await runOnce(demo, { show() {}, close() {} })
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.equal(report.osBefore, 'MiniOS 1 (portable)')
  assert.equal(report.osAfter, 'MiniOS 2 (portable)')
  assert.equal(report.restarts, 1)
  const root = join(path, 'device/root')
  assert.equal(await readFile(join(root, 'etc/minios/minios.conf'), 'utf8'), 'release=2\n')
  await assert.rejects(access(join(root, 'usr/bin/legacy')))
})
