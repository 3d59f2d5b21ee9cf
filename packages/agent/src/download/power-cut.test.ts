/**
 * A power cut in the middle of a download. The device lives on an ext4 of its own in a loop device; the cut
 * is a copy of what lies below that file system at the moment of the kill. What was not flushed is only in
 * the memory of the kernel and not in the copy, as it would not be on a disk. The copy is then mounted, its
 * journal replayed, and the download goes on there.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once as event } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing, seededBytes } from '@sluice/content/testing'
import { entryIdOf } from '../cache/entry.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { startTestLine } from './testing/test-line.ts'

const MiB = 1024 * 1024
const CUTS = process.env.SLUICE_SOAK === '1' ? 30 : 2
const CONTENT_BYTES = 128 * MiB
/** What a power cut may cost, and what four streams may have in flight. */
const MOST_LOST_BYTES = 64 * MiB + 8 * MiB
const script = fileURLToPath(new URL('./testing/download-child.ts', import.meta.url))

test(`${CUTS} power cuts in the middle: right bytes, and at most 64 MiB come again`, {
  timeout: 900_000,
}, async (t) => {
  if (process.getuid?.() !== 0) return missing(t, 'only root may mount a file system')
  if (spawnSync('mkfs.ext4', ['-V']).error !== undefined || !existsSync('/dev/loop-control'))
    return missing(t, 'mkfs.ext4 and loop devices are needed')
  const line = await startTestLine(t)
  const bytes = seededBytes('power cut', CONTENT_BYTES)
  const pack = await line.add('ABC00001', { 'folder/big.bin': bytes })
  const device = join(line.folder, 'device')
  mkdirSync(device)
  const image = (number: number) => join(line.folder, `disk-${number}`)
  writeFileSync(image(0), '')
  execFileSync('truncate', ['-s', '600M', image(0)])
  execFileSync('mkfs.ext4', ['-q', image(0)])
  using disk = mounting(device)
  const path = join(line.folder, 'order.json')
  writeFileSync(path, JSON.stringify(line.order([pack])))

  const random = seededRandom(11)
  const { served } = line.contents
  // So that several cuts find something to cut, whatever the machine.
  line.contents.bytesPerSecond = 40 * MiB
  for (let cut = 0; cut < CUTS; cut++) {
    disk.mount(image(cut))
    const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'ignore', 'inherit'] })
    const until = served.packBytes + (0.2 + random()) * (CONTENT_BYTES / CUTS)
    const timer = setInterval(() => {
      if (served.packBytes > until) child.kill('SIGKILL')
    }, 1)
    await event(child, 'exit')
    clearInterval(timer)
    execFileSync('cp', ['--sparse=always', image(cut), image(cut + 1)])
    disk.unmount()
  }
  line.contents.bytesPerSecond = undefined
  disk.mount(image(CUTS))
  const last = spawn(process.execPath, [script, path], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await event(last, 'exit')) as [number | null]
  assert.equal(code, 0)
  const folder = join(device, 'cache', 'contents', entryIdOf(pack.policy.contentId))
  assert.ok(readFileSync(join(folder, 'folder/big.bin')).equals(bytes))
  const again = served.packBytes - pack.policy.storedBytes
  assert.ok(again <= CUTS * MOST_LOST_BYTES, `${again} bytes came again`)
})

/** One at a time; unmounted in the end, before the folder goes. */
function mounting(place: string) {
  let mounted = false
  const unmount = () => {
    if (mounted) execFileSync('umount', ['--lazy', place])
    mounted = false
  }
  return {
    unmount,
    [Symbol.dispose]: unmount,
    mount(image: string) {
      execFileSync('mount', ['-o', 'loop', image, place])
      mounted = true
    },
  }
}
