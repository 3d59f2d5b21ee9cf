/** `npm start -- --once --json`, as a user runs it: the figures that the product promises. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { missing } from '@sluice/content/testing'
import { RunReport } from '@sluice/protocol'
import { z } from 'zod'
import { hasProgram } from '../demo/debian-release.ts'
import { models } from '../demo/demo-content.ts'
import { canIsolate } from '../device/device.ts'
import { processesWith } from '../device/processes.ts'

const start = fileURLToPath(new URL('../../bin/start.ts', import.meta.url))
const Closing = RunReport.extend({ gatewayPackBytes: z.int() })

test('the demo: only what is needed is fetched, the first step starts at once, and the system is upgraded', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-demo-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, [start, '--once', '--json', '--base-port', '0', '--data', join(folder, 'd')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 0, said)

  const report = Closing.parse(JSON.parse(out.trimEnd().split('\n').at(-1) ?? ''))
  assert.equal(report.result, 'success')
  assert.match(report.osBefore, /MiniOS 1/)
  assert.match(report.osAfter, /MiniOS 2/)
  assert.ok(report.restarts >= 1)

  await t.test('bytes', () => {
    assert.ok(report.neededBytes > 0)
    assert.ok(report.fetchedBytes <= 1.01 * report.neededBytes)
    assert.equal(report.gatewayPackBytes, report.fetchedBytes)
    assert.ok(report.metadataBytes > 0 && report.metadataBytes <= 0.01 * report.referencedBytes)
    assert.equal(
      report.fetchedBytes,
      report.packages.reduce((sum, one) => sum + one.fetchedBytes, 0),
    )
  })
  await t.test('the drivers of the other models stay where they are', () => {
    for (const [i, model] of models.entries()) {
      const driver = report.packages.find(({ name }) => name === `Drivers for ${model}`)
      assert.ok(driver && driver.referencedBytes >= 16 * 1024 * 1024, model)
      assert.equal(driver.fetchedBytes > 0, i === 1, model)
    }
  })
  await t.test('the first step waits for no content', () => assert.ok(report.firstStepMs <= 2000))
  await t.test('dpkg agrees', async (t) => {
    if (!(await hasProgram('dpkg'))) return missing(t, 'no dpkg here')
    const root = join(folder, 'd/device/root')
    const { stdout } = await promisify(execFile)('dpkg', [`--root=${root}`, '--audit'])
    assert.equal(stdout, '')
    const installed = await promisify(execFile)('dpkg-query', [
      `--admindir=${root}/var/lib/dpkg`,
      '--show',
      '--showformat',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own syntax
      '${Package} ${Version} ${db:Status-Status}\n',
    ])
    assert.deepEqual(installed.stdout.trim().split('\n').sort(), [
      'minios-base 2.0 installed',
      'minios-crypto 2.0 installed',
      'minios-desktop 2.0 installed',
      'minios-kernel 2.0 installed',
      'minios-kernel-2 2.0 installed',
      'minios-network 2.0 installed',
    ])
    assert.match(await readFile(join(root, 'etc/minios/minios.conf'), 'utf8'), /^release=2$/m)
    assert.equal(await readlink(join(root, 'boot/vmlinuz')), 'vmlinuz-2')
  })
  await t.test('no process is left', async (t) => {
    if (!canIsolate()) return missing(t, 'no namespaces and no /proc to look into')
    assert.deepEqual(await processesWith(folder), [])
  })
})
