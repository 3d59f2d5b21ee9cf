/** Rows as they were measured last: a run of some rows leaves the others in the table, each with its day. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { type Row, row, rowNames } from './rows.ts'

export interface KeptRow extends Row {
  /** Day in UTC, as `2026-01-31`. */
  measuredOn: string
}

const Kept = z.array(
  z.object({ name: z.enum(rowNames), value: z.number(), versus: z.string(), measuredOn: z.iso.date() }),
)

/** None when there is no such file. Throws when it is something else. */
export async function readKeptRows(file: string): Promise<KeptRow[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '[]'
    throw error
  })
  return Kept.parse(JSON.parse(text)).map(({ name, value, versus, measuredOn }) => ({
    ...row(name, value, versus),
    measuredOn,
  }))
}

/** In the order of the table; what was measured now stands in the place of what was. */
export function keepRows(kept: readonly KeptRow[], measured: readonly Row[], measuredOn: string): KeptRow[] {
  const now = measured.map((one) => ({ ...one, measuredOn }))
  return rowNames.flatMap((name) => [...now, ...kept].find((one) => one.name === name) ?? [])
}

export function keptText(rows: readonly KeptRow[]): string {
  const lines = rows.map(({ name, value, versus, measuredOn }) => JSON.stringify({ name, value, versus, measuredOn }))
  return `[\n${lines.map((line) => `  ${line}`).join(',\n')}\n]\n`
}
