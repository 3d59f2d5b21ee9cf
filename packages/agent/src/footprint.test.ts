import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from './testing/temporary-folder.ts'
import { startTestSite } from './testing/test-site.ts'
import { until } from './testing/until.ts'

const AGENT = fileURLToPath(new URL('../bin/sluice-agent.ts', import.meta.url))
const MiB = 1024

test('an idle agent takes 60 MB of its own and 120 MB resident at most, from its second start on', async (t) => {
  const folder = temporaryFolder(t)
  const site = await startTestSite(t)
  writeFileSync(join(folder, 'bundle.json'), JSON.stringify(site.bundle))
  const config = join(folder, 'agent.json')
  const restart = { kind: 'exit', code: 75 }
  writeFileSync(config, JSON.stringify({ stateFolder: 'state', osRoot: '.', enrolmentBundle: 'bundle.json', restart }))
  const { NODE_COMPILE_CACHE: _, ...env } = process.env
  const start = async () => {
    const agent = spawn(process.execPath, [AGENT, '--config', config], { env, stdio: 'ignore' })
    t.after(() => agent.kill('SIGKILL'))
    const before = site.gateway.requests.length
    const asked = () => site.gateway.requests.slice(before).some(({ route }) => route === 'policy')
    await until('it has asked for its policy', asked, 30_000)
    return agent
  }
  const first = await start()
  const cache = join(folder, 'state/compile-cache')
  assert.equal(statSync(cache).mode & 0o777, 0o700)
  assert.equal(statSync(join(folder, 'state')).mode & 0o077, 0)
  first.kill('SIGTERM')
  await once(first, 'exit')
  assert.ok(readdirSync(cache, { recursive: true }).length > 100, 'the compiled code is kept')

  const { pid } = await start()
  const path = `/proc/${pid}/smaps_rollup`
  if (!existsSync(path)) return t.diagnostic('memory is read from /proc')
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(path, 'utf8'))?.[1])
  const small = () => kib('Private_Clean') + kib('Private_Dirty') <= 60 * MiB && kib('Rss') <= 120 * MiB
  await until('the agent is small', small, 30_000).catch(() => {})
  const told = `${(kib('Private_Clean') + kib('Private_Dirty')) >> 10} MiB private, ${kib('Rss') >> 10} MiB resident`
  assert.ok(small(), told)
  t.diagnostic(told)
})
