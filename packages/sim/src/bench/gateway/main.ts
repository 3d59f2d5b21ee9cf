/** `npm run bench -- gateway`: how many devices one gateway carries, and what it takes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { idleRow, pollRows, restartRow } from './measures.ts'
import { type GatewayRow, type GatewayRowName, gatewayRowNames, gatewayTable } from './rows.ts'

const help = `npm run bench -- gateway [--only ROW,…] [--runs N] [--json] [--write]

Measures one gateway and one site with many devices, as separate processes over TLS. Needs Linux.

  --only ROW,…   these rows: ${gatewayRowNames.join(', ')}
  --runs N       rounds of the rows on polls; otherwise three
  --json         the last line of standard output is {"rows": […]}
  --write        write the table into docs/benchmarks
`
const say = (line: string): void => void process.stderr.write(`${line}\n`)
const table = fileURLToPath(new URL('../../../../../docs/benchmarks/gateway.md', import.meta.url))

/** @param words after the suite's name. Returns the exit code: 1 when a row missed its target. */
export async function gatewayBench(words: string[]): Promise<number> {
  const { values } = parseArgs({
    args: words,
    options: {
      only: { type: 'string' },
      runs: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const wanted = values.only?.split(',') ?? [...gatewayRowNames]
  const runs = Number(values.runs)
  const isUnknown = wanted.some((name) => !gatewayRowNames.some((known) => known === name))
  if (values.help || isUnknown || !(Number.isSafeInteger(runs) && runs >= 1 && runs <= 100)) {
    process.stdout.write(help)
    return values.help ? 0 : 2
  }
  const about = aboutHere()
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-gateway-'))
  try {
    const any = (...names: GatewayRowName[]) => names.some((name) => wanted.includes(name))
    const rows: GatewayRow[] = []
    const place = (name: string) => ({ folder: join(folder, name), log: say })
    if (any('policy-polls', 'policy-polls-beside-bulk'))
      rows.push(...(await pollRows({ ...place('polls'), runs, besideBulk: any('policy-polls-beside-bulk') })))
    if (any('idle-agents-memory')) rows.push(await idleRow(place('idle')))
    if (any('restart-recovery')) rows.push(await restartRow(place('restart')))
    const shown = gatewayRowNames.flatMap((name) => rows.filter((row) => row.name === name && wanted.includes(name)))
    if (values.write) await writeFile(table, gatewayTable(shown, about))
    for (const { name, value, unit, target, pass, versus } of shown)
      say(`${pass ? 'met   ' : 'missed'}  ${name.padEnd(25)} ${value} ${unit} (target ${target}): ${versus}`)
    if (values.json) process.stdout.write(`${JSON.stringify({ rows: shown })}\n`)
    return shown.every(({ pass }) => pass) ? 0 : 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** To be asked before anything is measured: what else runs is seen only then. */
function aboutHere(): string[] {
  const [model] = cpus()
  const [busy = 0] = loadavg()
  return [
    `Measured with Node ${process.versions.node} on ${cpus().length} × ${model?.model ?? 'an unknown processor'}, site,`,
    'gateway and all devices together.',
    ...(busy < 0.5
      ? []
      : [
          `Other work ran on the same processors (load ${busy.toFixed(1)} before it began): rates and delays are to be measured`,
          'again on a quiet machine; processor time of a poll is what can be compared.',
        ]),
  ]
}
