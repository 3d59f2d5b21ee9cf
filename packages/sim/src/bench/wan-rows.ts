/** The rows over the wide-area line: each round runs every party once, one after the other. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { median, type Row, type RowName, row } from './rows.ts'
import { timed } from './tools.ts'
import { LARGE_BYTES, SMALL_FILES, sameBytes, type Yard } from './yard.ts'

const lossy = { rateMbit: 20, rttMs: 80, lossPercent: 1 }
const clean = { ...lossy, lossPercent: 0 }

export interface WanOptions {
  yard: Yard
  /** Scratch; used and emptied. */
  folder: string
  rows: ReadonlySet<RowName>
  runs: number
  log: (line: string) => void
}

interface Times {
  ours: number[]
  aria2: number[]
  curl: number[]
  /** Some run of curl was stopped: its time is a lower bound. */
  stopped: boolean
}

/**
 * A party that is far behind is stopped: when it has taken so many times as long as we did that the
 * row has passed with a tenth to spare, more waiting proves nothing.
 */
const enough = (target: number) => 1.1 / target

export async function largeRows(options: WanOptions): Promise<Row[]> {
  const { yard, folder, rows } = options
  const { nginx, far } = yard
  if (nginx === undefined || far === undefined) return []
  const url = `${nginx.url}/sources/large/file.bin`
  const source = join(yard.sources, 'large', 'file.bin')
  const times = await rounds(options, 'large', {
    ours: async () => {
      const { milliseconds, content } = await far.download(yard.packageId('large'), true)
      if (!(await sameBytes(join(content, 'file.bin'), source))) throw new Error('the download is not its source')
      return milliseconds
    },
    aria2: rows.has('wan-large-vs-aria2')
      ? [
          'aria2c',
          '-x16',
          '-s16',
          '-k1M',
          '--file-allocation=none',
          `--ca-certificate=${nginx.authority}`,
          '-q',
        ].concat('-d', folder, url)
      : undefined,
    curl: rows.has('wan-large-vs-curl')
      ? ['curl', '-sS', '--cacert', nginx.authority, '-o', join(folder, 'file.bin'), url]
      : undefined,
    stopAt: enough(0.35),
  })
  return versus(rows, times, 'wan-large-vs-curl', 'wan-large-vs-aria2')
}

export async function smallRows(options: WanOptions): Promise<Row[]> {
  const { yard, folder, rows } = options
  const { nginx, far } = yard
  if (nginx === undefined || far === undefined) return []
  const numbers = Array.from({ length: SMALL_FILES }, (_, i) => i)
  const url = (i: number) => `${nginx.url}/sources/small/${i}.bin`
  const curlList = join(folder, '..', 'curl.list')
  const ariaList = join(folder, '..', 'aria2.list')
  await writeFile(curlList, numbers.map((i) => `url = "${url(i)}"\noutput = "${join(folder, `${i}.bin`)}"\n`).join(''))
  await writeFile(ariaList, numbers.map((i) => `${url(i)}\n`).join(''))
  const times = await rounds(options, 'small', {
    ours: async () => {
      const { milliseconds, content } = await far.download(yard.packageId('small'), true)
      for (const i of [0, 999, SMALL_FILES - 1])
        if (!(await sameBytes(join(content, `${i}.bin`), join(yard.sources, 'small', `${i}.bin`))))
          throw new Error('the download is not its source')
      return milliseconds
    },
    aria2: rows.has('wan-small-vs-aria2')
      ? ['aria2c', '-j16', '--file-allocation=none', `--ca-certificate=${nginx.authority}`, '-q', '-d', folder].concat(
          '-i',
          ariaList,
        )
      : undefined,
    curl: rows.has('wan-small-vs-curl') ? ['curl', '-sS', '--cacert', nginx.authority, '-K', curlList] : undefined,
    stopAt: enough(0.2),
  })
  return versus(rows, times, 'wan-small-vs-curl', 'wan-small-vs-aria2')
}

export async function cleanRow({ yard, runs, log }: WanOptions): Promise<Row[]> {
  const { wan, far } = yard
  if (wan === undefined || far === undefined) return []
  wan.shape(clean)
  const times: number[] = []
  for (let round = 0; round < runs; round++) {
    const { milliseconds } = await far.download(yard.packageId('large'))
    times.push(milliseconds)
    log(`clean line, round ${round + 1}: ${seconds(milliseconds)}`)
  }
  const rate = (LARGE_BYTES * 8) / median(times) / 1000
  return [row('wan-clean-rate', rate / clean.rateMbit, `${rate.toFixed(1)} of ${clean.rateMbit} Mbit/s of content`)]
}

async function rounds(
  { yard, folder, runs, log }: WanOptions,
  what: string,
  parties: {
    ours: () => Promise<number>
    aria2: string[] | undefined
    curl: string[] | undefined
    stopAt: number
  },
): Promise<Times> {
  const { wan } = yard
  const times: Times = { ours: [], aria2: [], curl: [], stopped: false }
  wan?.shape(lossy)
  for (let round = 0; round < runs; round++) {
    const ours = await parties.ours()
    times.ours.push(ours)
    for (const name of ['aria2', 'curl'] as const) {
      const words = parties[name]
      if (words === undefined) continue
      await rm(folder, { recursive: true, force: true })
      await mkdir(folder)
      const { milliseconds, stopped } = await timed([...(wan?.farEnd ?? []), ...words], {
        ...(name === 'curl' ? { stopAfterMs: ours * parties.stopAt } : { stopAfterMs: 300_000 }),
      })
      times[name].push(milliseconds)
      times.stopped ||= stopped
    }
    const said = (['ours', 'aria2', 'curl'] as const).map((name) => `${name} ${seconds(times[name].at(-1))}`)
    log(`${what}, round ${round + 1}: ${said.join(', ')}`)
  }
  return times
}

function versus(rows: ReadonlySet<RowName>, times: Times, curlRow: RowName, ariaRow: RowName): Row[] {
  const ours = median(times.ours)
  const made: Row[] = []
  if (rows.has(curlRow)) {
    const curl = median(times.curl)
    const note = times.stopped ? 'more than ' : ''
    made.push(row(curlRow, ours / curl, `${seconds(ours)} to ${note}${seconds(curl)} of curl`))
  }
  if (rows.has(ariaRow)) {
    const aria2 = median(times.aria2)
    made.push(row(ariaRow, ours / aria2, `${seconds(ours)} to ${seconds(aria2)} of aria2`))
  }
  return made
}

const seconds = (milliseconds: number | undefined) =>
  milliseconds === undefined ? '–' : `${(milliseconds / 1000).toFixed(2)} s`
