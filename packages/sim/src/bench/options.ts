/** The words of `npm run bench`. */
import { parseArgs } from 'node:util'
import { type RowName, rowNames } from './rows.ts'

const MILLION = 1_000_000

export interface BenchOptions {
  rows: ReadonlySet<RowName>
  /** Of each row; undefined: three over the line, five elsewhere. */
  runs: number | undefined
  /** Of the row of a million files, rounded up to whole folders: fewer while somebody works on it. */
  files: number
  json: boolean
  /** Write `docs/benchmarks`. */
  write: boolean
}

export const help = `npm run bench -- content [--only ROW,…] [--runs N] [--files N] [--json] [--write]

Measures how content is imported, served and downloaded, side by side with nginx, curl, aria2 and casync.
Rows over the wide-area line need root and Linux. What cannot be measured here is named as skipped.

  --only ROW,…   these rows: ${rowNames.join(', ')}
  --runs N       rounds of each row; otherwise three over the line and five elsewhere
  --files N      of million-files, instead of a million: a look that tells whoever works on it more than it proves
  --json         the last line of standard output is {"rows": […]}
  --write        write the table and the chart into docs/benchmarks
`

/** What the words say; a text for people when they cannot be understood. */
export function readBenchOptions(words: string[]): BenchOptions | string {
  try {
    const { values, positionals } = parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        only: { type: 'string' },
        runs: { type: 'string' },
        files: { type: 'string' },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return help
    if (positionals.length !== 1 || positionals[0] !== 'content')
      return `What is to be measured? content, engine or gateway.\n\n${help}`
    const wanted = values.only?.split(',') ?? [...rowNames]
    const unknown = wanted.filter((name) => !rowNames.some((known) => known === name))
    if (unknown.length > 0) return `There is no row ${unknown.join(', ')}. There are ${rowNames.join(', ')}.\n`
    const runs = values.runs === undefined ? undefined : Number(values.runs)
    if (runs !== undefined && !(Number.isSafeInteger(runs) && runs >= 1 && runs <= 100))
      return '--runs takes a number from 1 to 100.\n'
    const files = Number(values.files ?? MILLION)
    if (!(Number.isSafeInteger(files) && files >= 1 && files <= MILLION))
      return '--files takes a number from 1 to 1000000.\n'
    if (files !== MILLION && values.write) return 'With --files the row is a look, which --write does not keep.\n'
    return {
      rows: new Set(rowNames.filter((name) => wanted.includes(name))),
      runs,
      files,
      json: values.json,
      write: values.write,
    }
  } catch (error) {
    return `${error instanceof Error ? error.message : error}\n\n${help}`
  }
}
