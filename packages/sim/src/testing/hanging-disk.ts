/**
 * Loaded into a process before its own code (`node --import`): a disk that hangs where a test says, so that the
 * process can be killed exactly there. What was asked of the disk at that point is never done.
 *
 *     hanging-disk.ts?/path/to/order    the file that says where; while there is none, nothing hangs
 *
 * When it hangs, the order is renamed to `….hung`: nothing else does.
 */
import { existsSync, readFileSync, renameSync } from 'node:fs'
import files from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

export interface HangOrder {
  call: (typeof calls)[number]
  /** Part of a path that the call names. */
  path: string
  /** Calls that still get through. */
  after: number
}

const calls = ['open', 'opendir', 'rename', 'rm'] as const
const order = decodeURIComponent(new URL(import.meta.url).search.slice(1))
let passed = 0

function hangs(call: HangOrder['call'], paths: readonly unknown[]): boolean {
  if (!existsSync(order)) return false
  const at = JSON.parse(readFileSync(order, 'utf8')) as HangOrder
  if (at.call !== call || !paths.some((path) => typeof path === 'string' && path.includes(at.path))) return false
  if (passed++ < at.after) return false
  renameSync(order, `${order}.hung`)
  return true
}

for (const call of calls) {
  const real = files[call] as (...words: unknown[]) => Promise<unknown>
  const hanging = (...words: unknown[]) => (hangs(call, words) ? new Promise(() => {}) : real(...words))
  Object.assign(files, { [call]: hanging })
}
syncBuiltinESMExports()
