/**
 * `sluice-agent cache`: what the device keeps, for the people who look after it. Works on the agent's
 * database, with or without the agent running: every change is one transaction, and nothing that is leased
 * is taken away (C4 of cache.ts).
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { MISUSED, type Output, readWords } from '../command-line.ts'
import { openAgentDatabase } from '../state/agent-database.ts'
import { transact } from '../state/transact.ts'
import { type CacheRow, type CacheRows, createCacheRows } from './cache-rows.ts'

const usage = `Usage: sluice-agent cache <command> --config <file.json> [--json]

  list                           what is in the cache
  pin <package or content>...    keeps it, whatever space is wanted
  unpin <package or content>...
  delete <package or content>... [--persisted]
  delete --all [--persisted]     all that no run needs; --persisted: also what is pinned or persists

A content is named by the first 8 or more characters of its id.`

/** @param args after `cache`. The exit code: 0 when all was done as asked. */
export async function cacheCommand(args: string[], { out, error }: Output): Promise<number> {
  const options = {
    config: { type: 'string' },
    json: { type: 'boolean' },
    all: { type: 'boolean' },
    persisted: { type: 'boolean' },
  } as const
  const words = readWords(args, { options, usage, takesWords: true }, error)
  if (words === undefined) return MISUSED
  const { values, positionals } = words
  const [verb, ...names] = positionals
  const named = verb === 'delete' && values.all === true ? names.length === 0 : names.length > 0
  const asked = verb === 'list' ? names.length === 0 : named && ['pin', 'unpin', 'delete'].includes(verb ?? '')
  if (values.config === undefined || !asked) {
    error(`${asked ? 'The option --config is missing.\n\n' : ''}${usage}`)
    return MISUSED
  }
  const opened = await openAgentDatabase(values.config)
  if (!opened.ok) {
    error(`${opened.problem.code}: ${opened.problem.detail}`)
    return 1
  }
  const { db, stateFolder } = opened.value
  const rows = createCacheRows(db, join(stateFolder, 'cache'))
  try {
    if (verb === 'list') {
      const entries = rows.all()
      if (values.json === true) out(JSON.stringify(entries.map(listed)))
      else for (const line of table(entries)) out(line)
      return 0
    }
    const trashed: string[] = []
    const told: (Result<string> & { entry: string })[] = transact(db, () => {
      const wanted = values.all === true ? ok(rows.all()) : choose(rows.all(), names)
      if (!wanted.ok) return [{ ...wanted, entry: '' }]
      return wanted.value
        .filter((row) => values.all !== true || (!row.leased && (values.persisted === true || !isKept(row))))
        .map((row) => ({ ...change({ rows, row, verb, persisted: values.persisted, trashed }), entry: row.entryId }))
    })
    for (const path of trashed) rmSync(path, { recursive: true, force: true })
    for (const one of told) if (!one.ok) error(`${one.problem.code}: ${one.problem.detail}`)
    if (values.json === true)
      out(JSON.stringify(told.map(({ entry, ...one }) => (one.ok ? { entry, done: one.value } : { entry, ...one }))))
    else for (const one of told) if (one.ok) out(one.value)
    return told.every((one) => one.ok) ? 0 : 1
  } finally {
    db.close()
  }
}

const isKept = (row: CacheRow) => row.persist || row.pinned

function change(order: {
  rows: CacheRows
  row: CacheRow
  verb: string | undefined
  persisted: boolean | undefined
  /** Gets what is to be deleted after the transaction. */
  trashed: string[]
}): Result<string> {
  const { rows, row, verb } = order
  const { entryId } = row
  const name = `${row.packageId} version ${row.version} (${entryId.slice(0, 12)}${row.part ? ', some files' : ''})`
  if (verb === 'delete') {
    if (row.leased) return failed(problem('CONTENT_IN_USE', `${name} is needed by a run that goes on.`))
    if (isKept(row) && order.persisted !== true)
      return failed(problem('CONTENT_IN_USE', `${name} is pinned or persists; delete it with --persisted.`))
    order.trashed.push(...rows.remove(entryId))
    return ok(`Deleted ${name}.`)
  }
  rows.pin(entryId, verb === 'pin')
  return ok(`${verb === 'pin' ? 'Pinned' : 'Unpinned'} ${name}.`)
}

/** Rows by package id or beginning of their name; `NOT_FOUND` names what is none. */
function choose(all: readonly CacheRow[], names: readonly string[]): Result<CacheRow[]> {
  const chosen = new Set<CacheRow>()
  for (const name of names) {
    const fits = all.filter((row) => row.packageId === name || (name.length >= 8 && row.entryId.startsWith(name)))
    if (fits.length === 0) return failed(problem('NOT_FOUND', `The cache has nothing of ${name}.`))
    for (const row of fits) chosen.add(row)
  }
  return ok([...chosen])
}

/** Without the key. */
const listed = ({ key: _, usedAt, ...row }: CacheRow) => ({ ...row, usedAt: new Date(usedAt).toISOString() })

function table(rows: readonly CacheRow[]): string[] {
  if (rows.length === 0) return ['The cache is empty.']
  const lines = [
    ['PACKAGE', 'VERSION', 'CONTENT', 'SIZE', 'STATE', 'LAST USED', ''],
    ...rows.map((row) => [
      row.packageId,
      String(row.version),
      row.entryId.slice(0, 12),
      `${(row.sizeBytes / (1024 * 1024)).toFixed(1)} MiB`,
      row.complete ? (row.part ? 'some files' : 'complete') : 'coming',
      new Date(row.usedAt).toISOString().slice(0, 16).replace('T', ' '),
      [row.leased ? 'in use' : '', row.persist ? 'persists' : '', row.pinned ? 'pinned' : '']
        .filter((word) => word !== '')
        .join(', '),
    ]),
  ]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
