/** Two real agents on one copied state folder: found, shut out, and let in again by an administrator. */
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { must } from '../administrator.ts'
import { type Part, startPart } from '../child-process.ts'
import { type Line, startLine } from '../line.ts'
import { linePorts } from '../ports.ts'
import { until } from '../until.ts'

const agent = fileURLToPath(new URL('../../../agent/bin/sluice-agent.ts', import.meta.url))
const WAIT_MS = 120_000
const resources = new AsyncDisposableStack()
let folder: string
let line: Line

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-copied-'))
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  line = await startLine({ folder: join(folder, 'line'), ports: await linePorts(0), resources })
})
after(() => resources.disposeAsync())

async function start(name: string): Promise<Part> {
  const part = await startPart(agent, join(folder, name, 'agent.json'), join(folder, `${name}.log`))
  resources.defer(() => part.stop())
  return part
}
const device = async () => must(await line.admin.call('devices')).items[0] ?? assert.fail('no device')

test('a copy of a device is found within seconds, blocked, and resolved', async () => {
  await mkdir(join(folder, 'one'), { mode: 0o700 })
  const { bundle } = must(await line.admin.call('createDeviceToken', { body: {} }))
  await writeFile(join(folder, 'one/bundle.json'), JSON.stringify(bundle))
  const config = { stateFolder: 'state', enrolmentBundle: 'bundle.json', facts: { model: 'Meridian' } }
  await writeFile(join(folder, 'one/agent.json'), JSON.stringify(config))
  const first = await start('one')
  await until(
    async () => must(await line.admin.call('devices')).items.some((one) => one.lastSeenAt !== undefined),
    'the first policy',
    WAIT_MS,
  )
  await first.stop()
  await cp(join(folder, 'one'), join(folder, 'two'), { recursive: true })
  assert.equal((await device()).blockedAt, undefined)

  const original = await start('one')
  const copy = await start('two')
  await until(async () => must(await line.admin.call('deviceConflicts')).items.length === 1, 'the conflict', WAIT_MS)
  const [conflict] = must(await line.admin.call('deviceConflicts')).items
  assert.deepEqual([conflict?.kind, conflict?.deviceId], ['cloned', (await device()).id])
  assert.ok((await device()).blockedAt)
  const [alarm] = must(await line.admin.call('alarms')).filter(({ kind }) => kind === 'device')
  assert.equal(alarm?.severity, 'critical')

  await copy.stop()
  await original.stop()
  const { id } = await device()
  must(await line.admin.call('resolveDeviceConflict', { id, body: { resolution: 'merge' } }))
  assert.equal((await device()).blockedAt, undefined)
  assert.deepEqual(must(await line.admin.call('deviceConflicts')).items, [])
})
