/**
 * A disk that is full at every write in turn: state, pages, chunks, ledger and counts lie on a small file
 * system of their own, on which somebody else leaves so and so many bytes at some moment of the download.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { missing, seededBytes } from '@sluice/content/testing'
import { entryIdOf } from '../cache/entry.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import type { TestPackage } from './testing/test-contents.ts'
import { startTestLine } from './testing/test-line.ts'
import { never, once, silent, type TestRun } from './testing/test-run.ts'

const MiB = 1024 * 1024
const PAGE_BYTES = 4096
const CONTENT_BYTES = MiB
/** Steps of what is left, from nothing to more than a download takes: with the soak each page of the disk. */
const STEPS = process.env.SLUICE_SOAK === '1' ? 400 : 9
const MOST_LEFT_BYTES = 400 * PAGE_BYTES

/** When the space is taken. */
const moments = ['start', 'page', 'pack'] as const

/** What once broke a step instead of holding it: the counts found no place after all else had. */
const onceFailed: { left: number; moment: (typeof moments)[number] }[] = [{ left: 39_853, moment: 'start' }]

const acquire = (run: TestRun, { policy }: TestPackage) =>
  run.contents.acquire({ packageId: policy.id, retry: once }, never, silent)

test(`a disk that fills up, ${STEPS} times: nothing is torn, and it goes on when there is space`, {
  timeout: 60_000 + STEPS * 10_000,
}, async (t) => {
  if (process.getuid?.() !== 0) return missing(t, 'only root may mount a small file system')
  const line = await startTestLine(t)
  const bytes = seededBytes('full', CONTENT_BYTES)
  const pack = await line.add('ABC00001', { 'folder/big.bin': bytes, 'small.txt': 'small\n' })
  const device = join(line.folder, 'device')
  mkdirSync(device)
  using _disk = smallDisk(device)
  const content = join(device, 'cache', 'contents', entryIdOf(pack.policy.contentId))
  const random = seededRandom(7)
  const met = new Set<string>()

  const steps = Array.from({ length: STEPS }, (_, step) => ({
    left: Math.floor(((step + random()) / STEPS) * MOST_LEFT_BYTES),
    moment: moments[step % moments.length],
  }))
  for (const { left, moment } of [...onceFailed, ...steps]) {
    for (const name of readdirSync(device)) rmSync(join(device, name), { recursive: true })
    const said = `${left} bytes are left at ${moment}`
    const take = () => {
      if (!existsSync(join(device, 'filler'))) fill(device, left)
    }
    // The state is there, as on every device that has ever run.
    ;(await line.open([pack], { runFolder: 'run' })).stop()
    if (moment === 'start') take()
    line.contents.fault = ({ kind }) => {
      if (kind === moment) take()
      return undefined
    }
    const before = line.contents.served.packBytes
    const end = await tryOnce(() => line.open([pack], { runFolder: 'run' }), pack)
    met.add(end)
    assert.match(end, /^(done|NO_SPACE)$/, said)
    assert.equal(existsSync(content), end === 'done', `${said}: what is seen is whole`)
    if (existsSync(content)) assert.ok(readFileSync(join(content, 'folder/big.bin')).equals(bytes), said)
    checkDatabase(device, said)

    rmSync(join(device, 'filler'), { force: true })
    line.contents.fault = undefined
    assert.equal(await tryOnce(() => line.open([pack], { runFolder: 'run' }), pack), 'done', said)
    assert.ok(readFileSync(join(content, 'folder/big.bin')).equals(bytes), said)
    // All of so small a content is in flight at once.
    const again = line.contents.served.packBytes - before - pack.policy.storedBytes
    assert.ok(again <= pack.policy.storedBytes, `${said}: ${again} bytes came again`)
  }
  assert.deepEqual([...met].sort(), ['NO_SPACE', 'done'], 'some fit and some did not')
})

/** Mounted until the end of the test, before its folder goes. */
function smallDisk(place: string): Disposable {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', place])
  return { [Symbol.dispose]: () => void execFileSync('umount', ['--lazy', place]) }
}

/** An agent that starts, needs the content and ends: what it says of it. */
async function tryOnce(open: () => Promise<TestRun>, pack: TestPackage): Promise<string> {
  const run = await open()
  try {
    const got = await acquire(run, pack)
    return got.ok ? 'done' : got.problem.code
  } finally {
    run.stop()
  }
}

/** Leaves so many bytes of the file system with the folder. */
function fill(folder: string, leftBytes: number): void {
  const { bavail, bsize } = statfsSync(folder)
  const size = bavail * bsize - Math.ceil(leftBytes / PAGE_BYTES) * PAGE_BYTES
  if (size > 0) execFileSync('fallocate', ['-l', String(size), join(folder, 'filler')])
}

function checkDatabase(device: string, said: string): void {
  const path = join(device, 'state', 'agent.db')
  using db = new DatabaseSync(path)
  assert.equal(db.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok', said)
}
