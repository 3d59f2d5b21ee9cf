import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keepRows, keptText, readKeptRows } from './kept-rows.ts'
import { readBenchOptions } from './options.ts'
import { chartOf, tableOf } from './report.ts'
import { median, row, rowNames } from './rows.ts'
import { unitEnvironments } from './unit-environments.ts'

test('parts are started as their units start them', async () => {
  const page = await readFile(new URL('../../../../docs/setup.md', import.meta.url), 'utf8')
  for (const [part, environment] of Object.entries(unitEnvironments)) {
    const [, unit = ''] = page.split(`sluice-${part}.service\``)
    const said = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
    assert.ok(unit.split('[Install]')[0]?.includes(`Environment=${said.join(' ')}\n`), part)
  }
})

test('a row is met at its target and not beyond it', () => {
  assert.equal(row('wan-large-vs-aria2', 1.05, '').pass, true)
  assert.equal(row('wan-large-vs-aria2', 1.0501, '').pass, false)
  assert.equal(row('wan-clean-rate', 0.9, '').pass, true)
  assert.equal(row('wan-clean-rate', 0.8999, '').pass, false)
})

test('the median is the middle run; of two the lower', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2)
})

test('the words pick rows and runs; what is not understood is said', () => {
  const all = readBenchOptions(['content'])
  assert.ok(typeof all === 'object')
  assert.deepEqual([...all.rows], [...rowNames])
  const some = readBenchOptions(['content', '--only', 'import,wan-clean-rate', '--runs', '2', '--json'])
  assert.deepEqual(some, {
    rows: new Set(['wan-clean-rate', 'import']),
    runs: 2,
    files: 1_000_000,
    json: true,
    write: false,
  })
  for (const words of [
    [],
    ['other'],
    ['content', '--only', 'nothing'],
    ['content', '--runs', '0'],
    ['content', '--files', '0'],
    ['content', '--files', '1000', '--write'],
    ['content', '--x'],
  ])
    assert.equal(typeof readBenchOptions(words), 'string', words.join(' '))
})

test('table and chart say which target was missed, and what was not measured', () => {
  const rows = [row('import', 0.5, '5.00 s to 10.00 s of casync'), row('gateway-cpu', 1.5, '')]
  const table = tableOf(keepRows([], rows, '2026-01-31'), ['Measured here.'])
  assert.match(table, /`import` .* 0\.5 \| ≤ 0\.7 \| yes \| 5\.00 s to 10\.00 s of casync \| 2026-01-31/)
  assert.match(table, /`gateway-cpu` .* \*\*no\*\*/)
  assert.match(table, /`loopback-verified` was not measured\./)
  assert.match(chartOf(rows), /^<svg .*import<\/text>.*71 %.*125 %.*<\/svg>\n$/)
})

test('a run of some rows leaves the others in the table, each with its day', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-rows-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'content.json')
  assert.deepEqual(await readKeptRows(file), [])
  const first = keepRows([], [row('import', 0.9, 'a'), row('gateway-cpu', 1, 'b')], '2026-01-30')
  await writeFile(file, keptText(first))
  const both = keepRows(await readKeptRows(file), [row('import', 0.5, 'c')], '2026-01-31')
  assert.deepEqual(
    both.map(({ name, value, pass, versus, measuredOn }) => [name, value, pass, versus, measuredOn]),
    [
      ['gateway-cpu', 1, true, 'b', '2026-01-30'],
      ['import', 0.5, true, 'c', '2026-01-31'],
    ],
  )
  await writeFile(file, '[{"name":"other"}]')
  await assert.rejects(readKeptRows(file))
})
