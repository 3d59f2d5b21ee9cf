/** `npm run bench -- engine`: what the engine takes above the work of steps. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { journalledRun } from '@sluice/agent'
import { flatten, importSequences } from '@sluice/engine'
import { median } from '../rows.ts'
import { type EngineRow, type EngineRowName, engineRow, engineRowNames } from './rows.ts'
import { alone, largeXml, longSequence, oneOfEach } from './sequences.ts'

const help = `npm run bench -- engine [--only ROW,…] [--runs N] [--json]

Measures the task sequence engine with the agent's journal on SQLite, flushed at every commit.

  --only ROW,…   these rows: ${engineRowNames.join(', ')}
  --runs N       rounds of each row; otherwise five
  --json         the last line of standard output is {"rows": […]}
`
const say = (line: string): void => void process.stderr.write(`${line}\n`)
const rounded = (value: number): string => value.toFixed(value < 10 ? 2 : 0)

/** @param words after the suite's name. Returns the exit code: 1 when a row missed its target. */
export async function engineBench(words: string[]): Promise<number> {
  const { values } = parseArgs({
    args: words,
    options: {
      only: { type: 'string' },
      runs: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const wanted = values.only?.split(',') ?? engineRowNames
  const runs = Number(values.runs)
  const isUnknown = wanted.some((name) => !engineRowNames.some((known) => known === name))
  if (values.help || isUnknown || !(Number.isSafeInteger(runs) && runs >= 1 && runs <= 100)) {
    process.stdout.write(help)
    return values.help ? 0 : 2
  }
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-engine-'))
  try {
    const rows: EngineRow[] = []
    for (const name of engineRowNames) if (wanted.includes(name)) rows.push(await measures[name](folder, runs))
    for (const { name, value, unit, target, pass, versus } of rows)
      say(`${pass ? 'met   ' : 'missed'}  ${name.padEnd(20)} ${value} ${unit} (target ${target}): ${versus}`)
    if (values.json) process.stdout.write(`${JSON.stringify({ rows })}\n`)
    return rows.every(({ pass }) => pass) ? 0 : 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const measures: Record<EngineRowName, (folder: string, runs: number) => Promise<EngineRow>> = {
  async 'import-300k'(_, runs) {
    const text = largeXml(300_000)
    const times: number[] = []
    let steps = 0
    for (let round = 0; round < runs; round++) {
      const began = performance.now()
      const { sequences, problems } = importSequences({ documents: [{ file: 'large.xml', text, name: 'Large' }] })
      times.push(performance.now() - began)
      const [first] = sequences
      if (first === undefined) throw new Error(`it was not imported: ${problems[0]?.message}`)
      steps = first.steps
    }
    const versus = `${steps} steps of ${Math.round(text.length / 1000)} KB; the first, cold, ${rounded(times[0] ?? 0)} ms`
    return engineRow('import-300k', median(times), versus)
  },
  async 'instruction-overhead'(folder, runs) {
    const sequence = longSequence(10_000)
    const { length } = flatten(sequence).instructions
    const times: number[] = []
    let commits = 0
    for (let round = 0; round < runs; round++) {
      const run = await journalledRun({ folder: join(folder, `long-${round}`), sequence })
      if (run === 'restart' || run.result.kind !== 'success') throw new Error('the run did not succeed')
      times.push(run.milliseconds / length)
      commits = run.commits
    }
    return engineRow('instruction-overhead', median(times), `${length} instructions, ${commits} durable commits`)
  },
  async 'commits-per-step'(folder) {
    const counted: number[] = []
    for (const [index, step] of oneOfEach().entries()) {
      const run = await journalledRun({ folder: join(folder, `one-${index}`), sequence: alone(step) })
      if (run === 'restart') throw new Error('no step here restarts')
      // The end of the run is a commit of its own.
      counted.push(run.commits - 1)
    }
    return engineRow('commits-per-step', Math.max(...counted), `of each kind: ${counted.join(', ')}`)
  },
}
