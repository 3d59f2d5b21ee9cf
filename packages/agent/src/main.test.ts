import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type Child, startChild } from './testing/child.ts'
import { temporaryFolder } from './testing/temporary-folder.ts'
import { testDeviceId } from './testing/test-device.ts'
import { startTestSite } from './testing/test-site.ts'

/** Runs the agent's process; `more` is laid over its configuration. */
async function world(t: TestContext) {
  const folder = temporaryFolder(t)
  const site = await startTestSite(t)
  writeFileSync(join(folder, 'bundle.json'), JSON.stringify(site.bundle))
  return (more: object = {}): Child => {
    const path = join(folder, 'agent.json')
    // Relative paths are relative to the file.
    const config = {
      stateFolder: 'state',
      osRoot: '.',
      enrolmentBundle: 'bundle.json',
      restart: { kind: 'exit', code: 75 },
    }
    writeFileSync(path, JSON.stringify({ ...config, ...more }))
    return startChild(
      t,
      `
      import { main } from ${JSON.stringify(new URL('main.ts', import.meta.url).href)}
      import { createManualRuns } from ${JSON.stringify(new URL('testing/manual-runs.ts', import.meta.url).href)}
      await main(['--config', ${JSON.stringify(path)}], ({ platform }) => {
        // As a run does at the end of a Restart Computer step.
        process.on('SIGUSR2', () => platform.restart())
        console.log('runs')
        return createManualRuns()
      })
    `,
    )
  }
}

const isReady = (line: string) => line.includes('"ready":true')

async function exitCode(child: Child): Promise<number | null> {
  while (child.process.exitCode === null && child.process.signalCode === null) await turn()
  return child.process.exitCode
}

test('the agent says when it is ready, ends on SIGTERM, and is the same device afterwards', async (t) => {
  const start = await world(t)
  const first = start()
  const ready = JSON.parse(await first.line(isReady))
  assert.match(ready.softwareCenter, /^http:\/\/127\.0\.0\.1:\d+$/)
  await first.errors((line) => line.includes('this device is enrolled'))
  first.process.kill('SIGTERM')
  assert.equal(await exitCode(first), 0)
  const second = start()
  assert.equal(JSON.parse(await second.line(isReady)).deviceId, testDeviceId)
})

test('when a run wants a restart, the agent ends with the code that says so', async (t) => {
  const start = await world(t)
  const child = start()
  await child.line((line) => line === 'runs')
  child.process.kill('SIGUSR2')
  assert.equal(await exitCode(child), 75)
})

test('what keeps it from starting is one clear line, and exit code 1', async (t) => {
  const start = await world(t)
  const squatter = createServer().listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  t.after(() => squatter.close())
  const { port } = squatter.address() as { port: number }
  const running = start()
  await running.line(isReady)
  for (const [more, message] of [
    [{}, /^DATA_FOLDER_IN_USE: .*state is held by another agent/],
    [{ stateFolder: 'other', softwareCenter: { port } }, /^PORT_TAKEN: .*the port is taken/],
    [{ stateFolder: 'other', colour: 'blue' }, /^CONFIGURATION_INVALID: .*agent\.json: .*colour/],
    [{ stateFolder: 'other', enrolmentBundle: 'none.json' }, /^CONFIGURATION_INVALID: enrolmentBundle: .*none\.json/],
  ] as const) {
    const child = start(more)
    const line = await child.errors((text) => text.includes('"level":"error"'))
    assert.match(JSON.parse(line).message, message)
    assert.equal(await exitCode(child), 1)
    assert.deepEqual(child.lines, [])
  }
})
